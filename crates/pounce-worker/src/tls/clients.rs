//! Verification of client certificates: authorities, and lists of revoked certificates.

use std::path::Path;
use std::sync::Arc;

use pounce_config::{ClientCertificates, TlsConfig};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::TlsError;
use super::identity::{certificates, subject};
use super::revocation::RevocationList;

/// The verifier of client certificates, and facts about its lists.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// `None` if the server does not ask clients for a certificate.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// The lists in use, the latest first.
    pub(super) lists: Vec<RevocationList>,
    /// Authorities without a list, if there are lists of other authorities.
    pub(super) unlisted: Vec<String>,
}

impl Clients {
    /// Makes a verifier from the texts of the authorities and the lists.
    ///
    /// An expired list is accepted: certificates of its issuer are then refused one by one.
    pub(super) fn load(
        config: &TlsConfig,
        files: &[(&Path, &str)],
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        if config.client_certificates == ClientCertificates::None {
            return Ok(Self::default());
        }
        let (authorities, lists) = files.split_at(config.ca_certs.iter().len());
        let mut roots = RootCertStore::empty();
        let mut names = Vec::new();
        for (path, text) in authorities {
            for certificate in certificates(path, text)? {
                names.extend(subject(&certificate));
                roots.add(certificate).map_err(|error| TlsError::Faulty {
                    path: path.to_path_buf(),
                    what: "certificate",
                    reason: error.to_string(),
                })?;
            }
        }
        let mut read = Vec::new();
        for (path, text) in lists {
            read.append(&mut RevocationList::read(path, text)?);
        }
        // rustls uses the first list of an issuer: an old list must not hide its successor.
        read.sort_by_key(|(list, _)| std::cmp::Reverse(list.issued()));
        let (lists, bytes): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        names.retain(|name| !lists.is_empty() && lists.iter().all(|list| list.issuer != *name));
        // Look up every certificate of a chain, not only the client's: an intermediate authority may be revoked.
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .with_crls(bytes)
            .enforce_revocation_expiration();
        if config.client_certificates == ClientCertificates::Optional {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build().map_err(|error| TlsError::Verifier(error.to_string()))?;
        Ok(Self { verifier: Some(verifier), lists, unlisted: names })
    }
}

//! What client certificates are verified with: authorities, and lists of revoked certificates.

use std::path::Path;
use std::sync::Arc;

use pounce_config::{ClientCertificates, TlsConfig};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::TlsError;
use super::identity::{certificates, describe};
use super::revocation::RevocationList;

/// What client certificates are verified with.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// `None` where clients are not asked for a certificate.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// The lists in use, the latest first.
    pub(super) lists: Vec<RevocationList>,
    /// Authorities of which there is no list, though there are lists of others.
    pub(super) unlisted: Vec<String>,
}

impl Clients {
    /// From the texts of the authorities and the lists.
    ///
    /// A list whose time is over is taken: the certificates that it is about are then refused one by one.
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
                names.extend(describe(&certificate).map(|(_, name)| name));
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
        // rustls takes the first list of an issuer: an old one that lies next to its successor must not hide it.
        read.sort_by_key(|(list, _)| std::cmp::Reverse(list.issued()));
        let (lists, bytes): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        names.retain(|name| !lists.is_empty() && lists.iter().all(|list| list.issuer != *name));
        // Every certificate of a chain is looked up, not the client's alone: an authority in between may be revoked.
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

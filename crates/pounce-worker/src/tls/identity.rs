//! Certificates with their keys: checked, and chosen by the name that a client asks for (RFC 6066 section 3).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode as _, EncodePem as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::TlsError;
use super::key::private_key;

/// A certificate of the server.
#[derive(Debug)]
pub(super) struct Identity {
    key: Arc<CertifiedKey>,
    /// Its host names, in lower case; a leading `*` stands for one label.
    names: Vec<String>,
    /// The certificate alone, in PEM.
    pub(super) pem: Arc<str>,
}

/// The certificates of the server, the default one first.
#[derive(Debug)]
pub(super) struct Identities(Vec<Identity>);

impl Identity {
    /// A chain and its key, from the texts of two files. The second result is a certificate that has expired or is not
    /// valid yet; some clients accept it anyway.
    pub(super) fn load(
        certificate: (&Path, &str),
        key: (&Path, &str),
        password: Option<&str>,
        provider: &CryptoProvider,
    ) -> Result<(Self, Option<TlsError>), TlsError> {
        let path = certificate.0;
        let chain = certificates(path, certificate.1)?;
        let faulty = |reason: String| TlsError::Faulty { path: path.to_owned(), what: "certificate", reason };
        let parsed = chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>();
        let parsed = parsed.map_err(|error| faulty(error.to_string()))?;
        for (at, pair) in parsed.windows(2).enumerate() {
            let (issuer, subject) = (&pair[0].tbs_certificate.issuer, &pair[1].tbs_certificate.subject);
            if issuer != subject {
                return Err(TlsError::Order {
                    path: path.to_owned(),
                    number: at + 2,
                    subject: subject.to_string(),
                    issuer: issuer.to_string(),
                });
            }
        }
        let own = &parsed[0];
        let pem = own.to_pem(LineEnding::LF).map_err(|error| faulty(error.to_string()))?;
        let names = names(own).map_err(|error| faulty(error.to_string()))?;
        let secret = private_key(key.0, key.1, password)?;
        let certified = CertifiedKey::from_der(chain, secret, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::KeyMismatch { key: key.0.to_owned(), certificate: path.to_owned() }
            }
            error => {
                let what = "private key";
                TlsError::Faulty { path: key.0.to_owned(), what, reason: error.to_string() }
            }
        })?;
        let late = parsed.iter().find_map(|certificate| untimely(path, certificate, SystemTime::now()));
        Ok((Self { key: Arc::new(certified), names, pem: pem.into() }, late))
    }

    fn answers_to(&self, asked: &str) -> bool {
        self.names.iter().any(|name| match name.strip_prefix('*') {
            // RFC 6125 section 6.4.3: one label, and only the first.
            Some(rest) => asked.split_once('.').is_some_and(|(label, _)| asked[label.len()..] == *rest),
            None => asked == name,
        })
    }
}

impl Identities {
    pub(super) fn new(identities: Vec<Identity>) -> Self {
        Self(identities)
    }

    /// The certificate for a name, else the default.
    pub(super) fn find(&self, asked: Option<&str>) -> Option<&Identity> {
        let asked = asked.map(str::to_ascii_lowercase);
        let found = asked.and_then(|asked| self.0.iter().find(|identity| identity.answers_to(&asked)));
        found.or(self.0.first())
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name()).map(|identity| Arc::clone(&identity.key))
    }
}

/// All certificates in the text of a file; at least one.
pub(super) fn certificates(path: &Path, text: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "certificate";
    let found = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let found =
        found.map_err(|error| TlsError::Faulty { path: path.to_owned(), what, reason: error.to_string() })?;
    if found.is_empty() {
        return Err(TlsError::Missing { path: path.to_owned(), what });
    }
    Ok(found)
}

/// A certificate in PEM.
pub(super) fn pem(der: &CertificateDer<'_>) -> Option<String> {
    x509_cert::der::pem::encode_string("CERTIFICATE", LineEnding::LF, der).ok()
}

/// The subject of a certificate (RFC 4514).
pub(super) fn subject(der: &CertificateDer<'_>) -> Option<String> {
    Some(Certificate::from_der(der).ok()?.tbs_certificate.subject.to_string())
}

fn names(certificate: &Certificate) -> Result<Vec<String>, x509_cert::der::Error> {
    let alternatives = certificate.tbs_certificate.get::<SubjectAltName>()?;
    let names = alternatives.into_iter().flat_map(|(_, names)| names.0).filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.to_string().to_ascii_lowercase()),
        _ => None,
    });
    Ok(names.collect())
}

fn untimely(path: &Path, certificate: &Certificate, now: SystemTime) -> Option<TlsError> {
    let validity = &certificate.tbs_certificate.validity;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let when = if now < validity.not_before.to_unix_duration() {
        format!("is not valid before {}", validity.not_before)
    } else if now > validity.not_after.to_unix_duration() {
        format!("expired on {}", validity.not_after)
    } else {
        return None;
    };
    let subject = certificate.tbs_certificate.subject.to_string();
    Some(TlsError::Validity { path: path.to_owned(), subject, when })
}

//! Private keys: PKCS#8, PKCS#1 and SEC 1 in PEM, and PKCS#8 that is encrypted (RFC 5958).

use std::path::Path;

use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::der::SecretDocument;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::TlsError;

const ENCRYPTED: (&str, &str) =
    ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY-----");

/// The first private key in `text`, which came from `path`.
pub(super) fn private_key(
    path: &Path,
    text: &str,
    password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let path = path.to_owned();
    if let Some(block) = encrypted_block(text) {
        let Some(password) = password else { return Err(TlsError::NoPassword { path }) };
        let faulty = |reason: String| TlsError::Faulty { path: path.clone(), what: "private key", reason };
        let (_, document) = SecretDocument::from_pem(block).map_err(|error| faulty(error.to_string()))?;
        let encrypted = EncryptedPrivateKeyInfo::try_from(document.as_bytes());
        let encrypted = encrypted.map_err(|error| faulty(error.to_string()))?;
        let decrypted = encrypted.decrypt(password).map_err(|_| TlsError::WrongPassword { path })?;
        return Ok(PrivatePkcs8KeyDer::from(decrypted.as_bytes().to_vec()).into());
    }
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::OldEncryption { path });
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError::Missing { path, what: "private key" },
        error => TlsError::Faulty { path, what: "private key", reason: error.to_string() },
    })
}

fn encrypted_block(text: &str) -> Option<&str> {
    let start = text.find(ENCRYPTED.0)?;
    let end = start + text[start..].find(ENCRYPTED.1)? + ENCRYPTED.1.len();
    Some(&text[start..end])
}

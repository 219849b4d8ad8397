//! Private keys: PKCS#8, PKCS#1 and SEC 1 in PEM, and encrypted PKCS#8 (RFC 5958).

use std::path::{Path, PathBuf};

use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Decode as _, SecretDocument, SliceReader};
use pkcs8::pkcs5::pbes2::PBES2_OID as PBES2;
use pkcs8::{EncryptedPrivateKeyInfo, ObjectIdentifier};
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
        return decrypt(path, block, password);
    }
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        let scheme = "OpenSSL's own old format".to_owned();
        return Err(TlsError::OldEncryption { path, scheme });
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError::Missing { path, what: "private key" },
        error => TlsError::Faulty { path, what: "private key", reason: error.to_string() },
    })
}

/// The key in a block of PEM, decrypted.
fn decrypt(path: PathBuf, block: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let faulty = |reason: String| TlsError::Faulty { path: path.clone(), what: "private key", reason };
    let (_, document) = SecretDocument::from_pem(block).map_err(|error| faulty(error.to_string()))?;
    let encrypted = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).ok();
    let Some(encrypted) = encrypted.filter(|key| key.encryption_algorithm.pbes2().is_some()) else {
        // It may still be well formed, but encrypted with an unsupported algorithm.
        return Err(match scheme(document.as_bytes()) {
            Ok(scheme) => TlsError::OldEncryption { path, scheme },
            Err(error) => faulty(error.to_string()),
        });
    };
    let Some(password) = password else { return Err(TlsError::NoPassword { path }) };
    // A wrong password that decryption does not detect gives garbage.
    let decrypted = encrypted.decrypt(password).map_err(|_| TlsError::WrongPassword { path })?;
    Ok(PrivatePkcs8KeyDer::from(decrypted.as_bytes().to_vec()).into())
}

/// The encryption algorithm of a key, from the beginning of its structure (RFC 5958 section 3).
fn scheme(key: &[u8]) -> pkcs8::der::Result<String> {
    let mut fields = SliceReader::new(AnyRef::from_der(key)?.value())?;
    let mut algorithm = SliceReader::new(AnyRef::decode(&mut fields)?.value())?;
    let scheme = ObjectIdentifier::decode(&mut algorithm)?;
    OctetStringRef::decode(&mut fields)?;
    let text = scheme.to_string();
    // PKCS#5 1.5 and PKCS#12, which RFC 8018 section 6.1 allows only for old keys.
    let old = ["1.2.840.113549.1.5.", "1.2.840.113549.1.12.1."].iter().any(|arc| text.starts_with(arc));
    Ok(match old && scheme != PBES2 {
        true => "PBES1".to_owned(),
        false => "an algorithm that is not supported".to_owned(),
    })
}

fn encrypted_block(text: &str) -> Option<&str> {
    let start = text.find(ENCRYPTED.0)?;
    let end = start + text[start..].find(ENCRYPTED.1)? + ENCRYPTED.1.len();
    Some(&text[start..end])
}

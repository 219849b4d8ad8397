//! The files that a configuration of TLS names: their texts, and how they look from outside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pounce_config::{Secret, TlsConfig};
use zeroize::Zeroizing;

use super::TlsError;

/// How a file looks from outside: what changes when it is written or exchanged.
pub(super) type Look = Option<(SystemTime, u64)>;

/// Every file, in an order that does not change: certificates with their keys, authorities, lists of revoked certificates.
pub(super) fn paths(config: &TlsConfig) -> impl Iterator<Item = &Path> {
    let pairs = config.certificates.iter().flat_map(|files| [&files.certificate, &files.key]);
    pairs.chain(&config.ca_certs).chain(&config.crls).map(PathBuf::as_path)
}

/// Their texts.
pub(super) fn read(config: &TlsConfig) -> Result<Vec<Secret>, TlsError> {
    let read = |path: &Path| {
        text(path).map_err(|error| TlsError::Read { path: path.to_owned(), reason: error.to_string() })
    };
    paths(config).map(read).collect()
}

/// How they look.
pub(super) fn look(config: &TlsConfig) -> Vec<Look> {
    let look = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    paths(config).map(look).collect()
}

/// What is not UTF-8 in a file is replaced: it is no PEM, as its parser finds out.
fn text(path: &Path) -> io::Result<Secret> {
    let text = String::from_utf8(fs::read(path)?).unwrap_or_else(|error| {
        let bytes = Zeroizing::new(error.into_bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    });
    Ok(Secret::from(text))
}

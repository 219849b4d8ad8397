//! The certificate of a run, for the workloads over TLS. The load generators do not verify it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::workspace;

/// The path of the certificate, in PEM.
pub(crate) fn certificate() -> PathBuf {
    workspace::target().join("bench/certificate.pem")
}

/// The path of its key, in PEM and PKCS #8, which every server reads.
pub(crate) fn key() -> PathBuf {
    workspace::target().join("bench/key.pem")
}

/// Makes a self-signed certificate for localhost. Its key is on P-256, like those of most sites.
pub(crate) fn make() -> Result<()> {
    fs::create_dir_all(workspace::target().join("bench"))?;
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-days", "30", "-subj", "/CN=localhost"]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    openssl.arg("-keyout").arg(key()).arg("-out").arg(certificate());
    workspace::output(&mut openssl).map(drop)
}

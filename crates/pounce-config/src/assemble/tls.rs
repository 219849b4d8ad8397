//! The TLS options and how they combine. The files are not read here.

use std::path::PathBuf;

use crate::config::{CertificateFiles, ClientCertificates, TlsConfig};
use crate::resolve::Resolver;
use crate::secret::Secret;
use crate::value;

/// `None` for clear text.
pub(super) fn tls(options: &mut Resolver) -> Option<TlsConfig> {
    let certificate = options.path("ssl-certfile");
    let key = options.path("ssl-keyfile");
    let pair = |text: &str| {
        let (certificate, key) = text.split_once(':')?;
        Some(CertificateFiles { certificate: path(certificate)?, key: path(key)? })
    };
    let more = options.list("ssl-sni", Some("CERTFILE:KEYFILE"), pair);
    let key_password =
        options.text("ssl-keyfile-password", "a password", |text| Some(Secret::from(text.to_owned())));
    let ca_certs = options.path("ssl-ca-certs");
    let client_certificates = options.choice("ssl-cert-reqs");
    let crls = options.list("ssl-crl", Some("a path"), path);
    let min_version = options.choice("ssl-min-version");
    let handshake_timeout = options.seconds("ssl-handshake-timeout");

    let Some(certificate) = certificate else {
        for name in ["ssl-keyfile", "ssl-sni", "ssl-ca-certs", "ssl-cert-reqs", "ssl-crl"] {
            if options.is_given(name) {
                // A configuration with TLS options must not serve clear text.
                options.missing("ssl-certfile", &format!("the certificate that {name} goes with"));
                break;
            }
        }
        return None;
    };
    if client_certificates == ClientCertificates::None {
        for name in ["ssl-ca-certs", "ssl-crl"] {
            if options.is_given(name) {
                let origin = options.origin(name);
                options.notes.push(format!("{name} ({origin}) has no effect without ssl-cert-reqs"));
            }
        }
    } else if ca_certs.is_none() {
        options.missing("ssl-ca-certs", "a file of authorities, because ssl-cert-reqs asks for certificates");
    }
    let key = key.unwrap_or_else(|| certificate.clone());
    let certificates = [CertificateFiles { certificate, key }].into_iter().chain(more).collect();
    Some(TlsConfig {
        certificates,
        key_password,
        ca_certs,
        client_certificates,
        crls,
        min_version,
        handshake_timeout,
    })
}

fn path(text: &str) -> Option<PathBuf> {
    value::path(text).map(PathBuf::from)
}

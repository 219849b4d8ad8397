//! What is said of a store.

use std::time::Duration;

use pounce_config::{CertificateFiles, ClientCertificates, HttpVersions, Secret, TlsConfig, TlsVersion};

use super::{TicketSecret, TlsStore};

/// A certificate and its key that were made for this test alone.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUS/3W/icRC5I8+hAmySpvXyqw8AswCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTE0MTMzNFoYDzIxMjYxMTAx
MTQxMzM0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASrTEydBkun53kbGM3eT7wgi/uXAKTCX3oV3YThefAp3YIDUDlqTS7v
yVHe9QjXKNRg9IP5W/rNZolAJl/hzsyto2kwZzAdBgNVHQ4EFgQUZdlhvieJ/Fm3
LlQi3xctZbrd90QwHwYDVR0jBBgwFoAUZdlhvieJ/Fm3LlQi3xctZbrd90QwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIgPL8rZRXA0OA+s+v2yS4QabetLjT7T86jO5Z3SEg2tzACIQCrf0W1r5y1
xPPJMpu2eUT2bFLaN1Br0a4Xnh5ZJzOIPQ==
-----END CERTIFICATE-----
";
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFGYOQYXXTifcc+sB
8rbTIBsIjR3UFJGkJRCXvWfZMOehRANCAASrTEydBkun53kbGM3eT7wgi/uXAKTC
X3oV3YThefAp3YIDUDlqTS7vyVHe9QjXKNRg9IP5W/rNZolAJl/hzsyt
-----END PRIVATE KEY-----
";

#[test]
fn neither_keys_nor_passwords_are_in_what_debug_writes() {
    let files =
        CertificateFiles { certificate: "/nowhere/server.pem".into(), key: "/nowhere/server.key".into() };
    let config = TlsConfig {
        certificates: vec![files],
        key_password: Some(Secret::from("open sesame".to_owned())),
        ca_certs: None,
        client_certificates: ClientCertificates::None,
        crls: Vec::new(),
        min_version: TlsVersion::Tls12,
        handshake_timeout: Duration::from_secs(10),
    };
    let said = format!("{config:?}");
    assert!(said.contains("server.key") && !said.contains("sesame"), "{said}");
    let texts = [CERTIFICATE, KEY].map(|text| Secret::from(text.to_owned())).to_vec();
    let secret = TicketSecret::from_parts(0, [7; 32]);
    let store = TlsStore::open(config, HttpVersions::Auto, secret, Some(texts.clone()));
    let store = store.expect("the texts are good");
    let key = KEY.lines().nth(1).expect("three lines");
    assert!(store.texts().is_empty(), "nobody is given them by a worker");
    let said = format!("{texts:?} {store:?} {:#?}", store.current(std::time::Instant::now()));
    for secret in [key, "sesame", "7, 7, 7"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}

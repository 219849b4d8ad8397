//! Text that belongs in no log and no memory dump: the files of keys, and their password.

use std::path::Path;
use std::{fmt, fs, io};

use zeroize::Zeroizing;

/// Text that `Debug` hides and that is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text of a file. Bytes that are not UTF-8 are replaced; the PEM parser then refuses them.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let text = String::from_utf8(fs::read(path)?).unwrap_or_else(|error| {
            let bytes = Zeroizing::new(error.into_bytes());
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Ok(Self::from(text))
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;
    use crate::tls::{TicketSecret, TlsFiles, TlsSettings, TlsStore};

    /// A certificate and its key, made only for this test.
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
    fn debug_output_contains_neither_keys_nor_passwords() {
        let files = TlsFiles { certificate: "/nowhere/server.pem".into(), key: "/nowhere/server.key".into() };
        let settings = TlsSettings {
            certificates: vec![files],
            key_password: Some(Secret::from("open sesame".to_owned())),
            ..TlsSettings::default()
        };
        let said = format!("{settings:?}");
        assert!(said.contains("server.key") && !said.contains("sesame"), "{said}");
        let texts = [CERTIFICATE, KEY].map(|text| Secret::from(text.to_owned())).to_vec();
        let store = TlsStore::open(settings, TicketSecret::from_parts(0, [7; 32]), Some(texts.clone()));
        let store = store.expect("the texts are good");
        let key = KEY.lines().nth(1).expect("three lines");
        assert!(store.texts().is_empty(), "nobody is given them by a worker");
        let said = format!("{texts:?} {store:?} {:#?}", store.current(std::time::Instant::now()));
        for secret in [key, "sesame", "7, 7, 7"] {
            assert!(!said.contains(secret), "{secret}: {said}");
        }
    }
}

//! Faults in certificates and keys, in the operator's terms.

use std::path::PathBuf;

/// Why certificates cannot be used. Every fault names its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// A file lacks the expected content.
    #[error("{path} has no {what} in PEM")]
    Missing {
        /// Which file.
        path: PathBuf,
        /// The expected content.
        what: &'static str,
    },
    /// A file's content is malformed.
    #[error("{path} has a faulty {what}: {reason}")]
    Faulty {
        /// Which file.
        path: PathBuf,
        /// The kind of its content.
        what: &'static str,
        /// The fault.
        reason: String,
    },
    /// A key is encrypted, and there is no password.
    #[error("the key in {path} is encrypted, and no password was given")]
    NoPassword {
        /// Which file.
        path: PathBuf,
    },
    /// A key is encrypted with another password.
    #[error("the key in {path} cannot be decrypted with the password that was given")]
    WrongPassword {
        /// Which file.
        path: PathBuf,
    },
    /// A key is encrypted with an obsolete or unknown algorithm.
    #[error("the key in {path} cannot be read: it is encrypted with {scheme}")]
    OldEncryption {
        /// Which file.
        path: PathBuf,
        /// The algorithm.
        scheme: String,
    },
    /// The key belongs to another certificate.
    #[error("the key in {key} is not that of the first certificate in {certificate}")]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// A certificate of the chain did not issue the one before it.
    #[error("the chain in {path} is out of order: certificate {number} is {subject}, but {issuer} is needed")]
    Order {
        /// Which file.
        path: PathBuf,
        /// Its place in the file, from 1.
        number: usize,
        /// Whose it is.
        subject: String,
        /// The issuer of the one before it.
        issuer: String,
    },
    /// A certificate has expired or is not valid yet.
    #[error("the certificate {subject} in {path} {when}")]
    Validity {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        subject: String,
        /// `expired on …` or `is not valid before …`.
        when: String,
    },
    /// A list of revoked certificates has expired.
    #[error("the revocation list of {issuer} in {path} expired on {when}")]
    ListExpired {
        /// Which file.
        path: PathBuf,
        /// The issuer of the list.
        issuer: String,
        /// When the next one was due.
        when: String,
    },
    /// The authorities and lists cannot verify client certificates.
    #[error("client certificates cannot be verified: {0}")]
    Verifier(String),
    /// rustls refuses the configuration.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl TlsError {
    /// A hint for the operator.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Missing { what: "private key", .. } => {
                "Name the file of the private key with --ssl-keyfile FILE."
            }
            Self::Missing { .. } => {
                "The file must have -----BEGIN lines; openssl x509 -outform PEM converts DER."
            }
            Self::NoPassword { .. } => "Give it as the environment variable POUNCE_SSL_KEYFILE_PASSWORD.",
            Self::OldEncryption { .. } => "Convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW",
            Self::KeyMismatch { .. } => {
                "Compare: openssl x509 -noout -pubkey -in CERT, and openssl pkey -pubout -in KEY"
            }
            Self::Order { .. } => {
                "Put the server's certificate first, and after each certificate that of its issuer."
            }
            Self::ListExpired { .. } => {
                "Replace the file with the authority's current list (openssl ca -gencrl makes one), or set the clock if it \
                 is wrong: what was revoked since then would be let in."
            }
            _ => return None,
        })
    }
}

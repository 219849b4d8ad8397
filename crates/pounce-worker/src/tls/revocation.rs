//! Lists of revoked certificates (RFC 5280 section 5): read from PEM, with the time each expires.
//!
//! Neither a list's entries nor its signature; rustls checks both when a client shows its certificate.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{self, Decode as _, SliceReader};
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::TlsError;

const WHAT: &str = "revocation list";

/// The facts about a list. Equal values are the same issue of the same list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RevocationList {
    path: PathBuf,
    /// Its issuer (RFC 4514).
    pub(super) issuer: String,
    this_update: Time,
    next_update: Time,
}

/// A list and its bytes.
type Read = (RevocationList, CertificateRevocationListDer<'static>);

impl RevocationList {
    /// All lists in the text of a file; at least one.
    pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Read>, TlsError> {
        let path = path.to_owned();
        let faulty = |reason: String| TlsError::Faulty { path: path.clone(), what: WHAT, reason };
        let mut lists = Vec::new();
        for list in CertificateRevocationListDer::pem_slice_iter(text.as_bytes()) {
            let list = list.map_err(|error| faulty(error.to_string()))?;
            let (issuer, this_update, next_update) =
                head(&list).map_err(|error| faulty(error.to_string()))?;
            let next_update =
                next_update.ok_or_else(|| faulty("it does not say when the next one is due".to_owned()))?;
            let issuer = issuer.to_string();
            lists.push((Self { path: path.clone(), issuer, this_update, next_update }, list));
        }
        match lists.is_empty() {
            true => Err(TlsError::Missing { path, what: WHAT }),
            false => Ok(lists),
        }
    }

    /// When it was issued, since 1970.
    pub(super) fn issued(&self) -> Duration {
        self.this_update.to_unix_duration()
    }

    /// The error, if the list has expired.
    pub(super) fn expired(&self, now: SystemTime) -> Option<TlsError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        (now >= self.next_update.to_unix_duration()).then(|| TlsError::ListExpired {
            path: self.path.clone(),
            issuer: self.issuer.clone(),
            when: self.next_update.to_string(),
        })
    }
}

/// The beginning of a list: its issuer, its date, and when the next one is due. The rest may be long.
fn head(list: &[u8]) -> der::Result<(Name, Time, Option<Time>)> {
    let mut list = SliceReader::new(AnyRef::from_der(list)?.value())?;
    let mut fields = SliceReader::new(AnyRef::decode(&mut list)?.value())?;
    let _version = u8::decode(&mut fields)?;
    let _signature = AnyRef::decode(&mut fields)?;
    Ok((Name::decode(&mut fields)?, Time::decode(&mut fields)?, Option::decode(&mut fields)?))
}

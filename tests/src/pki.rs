//! Certificates made for a test: authorities, what they issue, and what they revoke.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use std::fs;
use std::path::{Path, PathBuf};

/// Who issues certificates.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    /// One that nobody stands behind.
    pub fn root(name: &str) -> Self {
        let (params, key) = Self::params(name);
        let certificate = params.self_signed(&key).expect("the parameters are complete");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// One that this one stands behind.
    pub fn intermediate(&self, name: &str) -> Self {
        let (params, key) = Self::params(name);
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are complete");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn params(name: &str) -> (CertificateParams, KeyPair) {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&[(DnType::CommonName, name)]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params, KeyPair::generate().expect("the system has random numbers"))
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A server's certificate for `names`.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.issue(Self::server_params(names))
    }

    /// A server's certificate whose time was over long ago.
    pub fn expired_server(&self, names: &[&str]) -> Identity {
        let mut params = Self::server_params(names);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 2, 3);
        self.issue(params)
    }

    fn server_params(names: &[&str]) -> CertificateParams {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let common = names.first().cloned().unwrap_or_default();
        let mut params = CertificateParams::new(names).expect("the names are DNS names");
        params.distinguished_name = subject(&[(DnType::CommonName, &common)]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
    }

    /// A client's certificate for somebody with a common name.
    pub fn client(&self, name: &str) -> Identity {
        self.client_with(&[(DnType::CommonName, name)], 7)
    }

    /// A client's certificate for a subject, with a serial number.
    pub fn client_with(&self, parts: &[(DnType, &str)], serial: u64) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(parts);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(serial));
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("the system has random numbers");
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are complete");
        Identity { certificate, key }
    }

    /// The list of revoked serial numbers, in PEM.
    pub fn revocations(&self, serials: &[u64]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).expect("the authority may sign lists")
    }
}

impl Identity {
    /// The certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The certificate, in DER.
    pub fn der(&self) -> &[u8] {
        self.certificate.der()
    }

    /// The key, as PKCS#8 in PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The key, as PKCS#8 in DER.
    pub fn key_der(&self) -> &[u8] {
        self.key.serialized_der()
    }

    /// Writes `NAME.pem` and `NAME.key` into a folder.
    pub fn write(&self, folder: &Path, name: &str) -> Files {
        Files {
            certificate: write(folder, &format!("{name}.pem"), &self.pem()),
            key: write(folder, &format!("{name}.key"), &self.key_pem()),
        }
    }
}

/// Where a certificate and its key lie.
#[derive(Debug, Clone)]
pub struct Files {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Files {
    /// Both, as `--ssl-sni` takes them.
    pub fn pair(&self) -> String {
        format!("{}:{}", self.certificate.display(), self.key.display())
    }
}

/// Replaces a file as deployments do: another beside it, moved over it.
pub fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let (path, draft) = (folder.join(name), folder.join(format!("{name}~")));
    fs::write(&draft, content).expect("the folder is writable");
    fs::rename(draft, &path).expect("the folder is writable");
    path
}

fn subject(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

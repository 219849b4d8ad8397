//! Certificates made for a test: authorities, issued certificates, and revocation lists.

use pkcs8::PrivateKeyInfo;
use pkcs8::der::pem::LineEnding;
use pkcs8::pkcs5::pbes2;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An authority that issues certificates.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    /// The chain up to, but without, the root, itself first; empty for a root.
    chain: Vec<Certificate>,
}

/// A certificate, its key, and its chain without the root.
#[derive(Debug)]
pub struct Identity {
    certificate: Certificate,
    key: KeyPair,
    chain: Vec<Certificate>,
}

impl Authority {
    /// A root authority.
    pub fn root(name: &str) -> Self {
        let (params, key) = Self::params(name);
        let certificate = params.self_signed(&key).expect("the parameters are complete");
        Self { certificate, issuer: Issuer::new(params, key), chain: Vec::new() }
    }

    /// An intermediate authority issued by this one.
    pub fn intermediate(&self, name: &str) -> Self {
        self.intermediate_with(name, 5)
    }

    /// An intermediate authority issued by this one, with a serial number.
    pub fn intermediate_with(&self, name: &str, serial: u64) -> Self {
        let (mut params, key) = Self::params(name);
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are complete");
        let chain = std::iter::once(&certificate).chain(&self.chain).cloned().collect();
        Self { certificate, issuer: Issuer::new(params, key), chain }
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

    /// A server's certificate that expired long ago.
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

    /// A client's certificate with a common name.
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
        Identity { certificate, key, chain: self.chain.clone() }
    }

    /// The list of revoked serial numbers, in PEM.
    pub fn revocations(&self, serials: &[u64]) -> String {
        self.list(serials, 2024, SystemTime::now() + Duration::from_secs(24 * 60 * 60))
    }

    /// A list issued after that of [`revocations`](Self::revocations).
    pub fn later_revocations(&self, serials: &[u64]) -> String {
        self.list(serials, 2025, SystemTime::now() + Duration::from_secs(24 * 60 * 60))
    }

    /// A list that expires at a given time.
    pub fn revocations_until(&self, serials: &[u64], end: SystemTime) -> String {
        self.list(serials, 2024, end)
    }

    fn list(&self, serials: &[u64], year: i32, end: SystemTime) -> String {
        let end = end.duration_since(UNIX_EPOCH).expect("later than 1970");
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(year, 1, 1),
            next_update: date_time_ymd(1970, 1, 1) + end,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).expect("the authority may sign lists")
    }
}

impl Identity {
    /// Only the certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The certificate and its chain, in PEM.
    pub fn chain_pem(&self) -> String {
        std::iter::once(&self.certificate).chain(&self.chain).map(Certificate::pem).collect()
    }

    /// The certificate and its chain, in DER.
    pub fn chain_der(&self) -> Vec<Vec<u8>> {
        std::iter::once(&self.certificate).chain(&self.chain).map(|each| each.der().to_vec()).collect()
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

    /// The key, as PKCS#8 in PEM, encrypted with a password.
    pub fn encrypted_key_pem(&self, password: &str) -> String {
        let parameters = pbes2::Parameters::pbkdf2_sha256_aes256cbc(2048, b"salt of a test", &[7; 16]);
        let key = PrivateKeyInfo::try_from(self.key_der()).expect("PKCS#8");
        let parameters = parameters.expect("the salt is short");
        let encrypted = key.encrypt_with_params(parameters, password).expect("any password will do");
        encrypted.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).expect("it can be written").to_string()
    }

    /// Writes `NAME.pem` and `NAME.key` into a folder.
    pub fn write(&self, folder: &Path, name: &str) -> Files {
        Files {
            certificate: write(folder, &format!("{name}.pem"), &self.chain_pem()),
            key: write(folder, &format!("{name}.key"), &self.key_pem()),
        }
    }
}

/// The files of a certificate and its key.
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

/// Replaces a file as deployments do: writes a new file and renames it over the old one.
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

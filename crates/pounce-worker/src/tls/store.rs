//! Reads and checks the TLS files, makes a rustls configuration of them, and reloads them when they change.
//!
//! New connections trigger the check for changes, at most once a second: this needs no watcher, never wakes an idle
//! server, and notices files replaced through symbolic links. Faulty files are not used.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ring::digest::{Context as Digest, SHA256};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};

use super::TlsError;
use super::clients::Clients;
use super::identity::{Identities, Identity};
use super::revocation::RevocationList;
use super::secret::Secret;
use super::tickets::{TicketSecret, Tickets, period};

/// The shortest time between two checks of the files.
const LOOK: Duration = Duration::from_secs(1);

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// The server does not ask for one.
    #[default]
    None,
    /// A client may leave it out; if shown, it must be valid.
    Optional,
    /// Every client must show a valid one.
    Required,
}

/// The files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// The key, in PEM; may be the same file.
    pub key: PathBuf,
}

/// Certificates, keys, and the requirements for clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates, the default one first.
    pub certificates: Vec<TlsFiles>,
    /// The password of encrypted keys.
    pub key_password: Option<Secret>,
    /// Authorities of client certificates, in PEM.
    pub ca_certs: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub client_certificates: ClientCertificates,
    /// Lists of revoked client certificates, in PEM.
    pub crls: Vec<PathBuf>,
    /// Whether TLS 1.2 is spoken in addition to 1.3.
    pub tls12: bool,
    /// Protocols to agree on (RFC 7301), the preferred one first.
    pub alpn: Vec<Vec<u8>>,
}

/// The TLS configuration of a server, kept up to date with its files. Shared by threads.
#[derive(Debug)]
pub struct TlsStore {
    settings: TlsSettings,
    state: Mutex<StoreState>,
}

#[derive(Debug)]
struct StoreState {
    /// The secret of the latest period in which it was used.
    secret: TicketSecret,
    current: Arc<Setup>,
    /// A digest of the texts that `current` was made of.
    digest: Vec<u8>,
    /// These texts, if they are kept for workers that start later.
    texts: Option<Vec<Secret>>,
    /// The files' state when they were last read, whether or not they were valid.
    seen: Vec<Look>,
    looked: Instant,
    /// The lists in use whose expiry was logged.
    over: Vec<RevocationList>,
}

/// The state of a file that changes when it is written or replaced.
type Look = Option<(SystemTime, u64)>;

/// The configuration for handshakes.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(super) config: Arc<ServerConfig>,
    pub(super) identities: Arc<Identities>,
    /// For each certificate, the error if it has expired or is not valid yet.
    late: Vec<Option<TlsError>>,
    /// Lists of revoked client certificates.
    lists: Vec<RevocationList>,
    /// Authorities of clients that have no such list.
    unlisted: Vec<String>,
}

impl TlsSettings {
    /// Every file, in a fixed order.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().flat_map(|files| [&files.certificate, &files.key]);
        pairs.chain(&self.ca_certs).chain(&self.crls).map(PathBuf::as_path)
    }

    fn read(&self) -> Result<Vec<Secret>, TlsError> {
        let read = |path: &Path| {
            let reason = |reason: String| TlsError::Read { path: path.to_owned(), reason };
            Secret::read(path).map_err(|error| reason(error.to_string()))
        };
        self.paths().map(read).collect()
    }

    fn look(&self) -> Vec<Look> {
        let look = |path: &Path| {
            let found = fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        self.paths().map(look).collect()
    }
}

impl TlsStore {
    /// Reads the files. If they are invalid, uses `fallback`: the texts of another store.
    ///
    /// Expired certificates are used anyway, with a warning: the clock may be wrong. An expired list of revoked
    /// certificates is refused: certificates revoked since then would be accepted.
    ///
    /// # Errors
    /// The fault, and the file that has it.
    pub fn open(
        settings: TlsSettings,
        secret: TicketSecret,
        fallback: Option<Vec<Secret>>,
    ) -> Result<Self, TlsError> {
        let seen = settings.look();
        let read = settings.read().and_then(|texts| {
            let setup = Setup::make(&settings, &secret, &texts)?;
            Ok((texts, setup))
        });
        let is_worker = fallback.is_some();
        let (texts, setup) = match fallback {
            None => {
                let read = read?;
                if let Some(expired) = read.1.expired_lists().next() {
                    return Err(expired);
                }
                for late in read.1.late.iter().flatten() {
                    tracing::warn!(target: "pounce", "{late}");
                }
                for name in &read.1.unlisted {
                    tracing::warn!(
                        target: "pounce",
                        "there is no revocation list of {name}: clients with certificates that it has issued are refused"
                    );
                }
                read
            }
            Some(texts) => {
                let before = Setup::make(&settings, &secret, &texts)?;
                match read.and_then(|read| read.1.replaces(&before).map(|()| read)) {
                    Ok(read) => read,
                    Err(error) => {
                        tracing::error!(target: "pounce", "{error}; keeping the previous certificates");
                        (texts, before)
                    }
                }
            }
        };
        let current = Arc::new(setup);
        let digest = digest(&texts);
        let texts = (!is_worker).then_some(texts);
        let looked = Instant::now();
        let state = StoreState { secret, current, digest, texts, seen, looked, over: Vec::new() };
        Ok(Self { settings, state: Mutex::new(state) })
    }

    /// The secret from which ticket keys derive.
    pub fn secret(&self) -> TicketSecret {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance_secret();
        state.secret.clone()
    }

    /// The texts of the files in use, including private keys: for workers of the same server. Empty for a store that
    /// was itself opened with such texts.
    pub fn texts(&self) -> Vec<Secret> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.texts.clone().unwrap_or_default()
    }

    /// Reads the files again if they have changed. If they are invalid, the current configuration stays.
    pub fn refresh(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.looked = Instant::now();
        self.refresh_state(&mut state);
    }

    /// The configuration for the handshake of a new connection.
    pub(crate) fn current(&self, now: Instant) -> Arc<Setup> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.looked) >= LOOK {
            state.looked = now;
            self.refresh_state(&mut state);
            state.name_expired_lists();
        }
        Arc::clone(&state.current)
    }

    fn refresh_state(&self, state: &mut StoreState) {
        let seen = self.settings.look();
        if seen == state.seen {
            return;
        }
        state.seen = seen;
        state.advance_secret();
        let read = self.settings.read().and_then(|texts| {
            if digest(&texts) == state.digest {
                return Ok(None);
            }
            let setup = Setup::make(&self.settings, &state.secret, &texts)?;
            setup.replaces(&state.current)?;
            Ok(Some((texts, setup)))
        });
        match read {
            Ok(None) => {}
            Ok(Some((texts, setup))) => {
                tracing::info!(target: "pounce", "the certificates were read again");
                state.digest = digest(&texts);
                state.texts = state.texts.is_some().then_some(texts);
                state.current = Arc::new(setup);
            }
            Err(error) => {
                let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
                tracing::error!(
                    target: "pounce",
                    "the new certificates are not used, the old ones stay: {error}{hint}"
                );
            }
        }
    }
}

/// Shows changes of texts that are not kept.
fn digest(texts: &[Secret]) -> Vec<u8> {
    let mut digest = Digest::new(&SHA256);
    for text in texts {
        digest.update(&text.reveal().len().to_be_bytes());
        digest.update(text.reveal().as_bytes());
    }
    digest.finish().as_ref().to_vec()
}

impl StoreState {
    /// Forgets the secrets of past periods.
    fn advance_secret(&mut self) {
        if let Some(secret) = self.secret.clone().at(period()) {
            self.secret = secret;
        }
    }

    /// Logs once for each list that it has expired.
    fn name_expired_lists(&mut self) {
        let now = SystemTime::now();
        for list in &self.current.lists {
            if let Some(error) = list.expired(now).filter(|_| !self.over.contains(list)) {
                let hint = error.hint().unwrap_or_default();
                tracing::error!(
                    target: "pounce",
                    "{error}: clients with certificates of that issuer are refused\nhint: {hint}"
                );
                self.over.push(list.clone());
            }
        }
    }
}

impl Setup {
    fn make(settings: &TlsSettings, secret: &TicketSecret, texts: &[Secret]) -> Result<Self, TlsError> {
        let mut files = settings.paths().zip(texts.iter().map(Secret::reveal));
        let mut next = || files.next().ok_or_else(|| TlsError::Setup("a file is missing".into()));
        let provider = Arc::new(default_provider());
        let password = settings.key_password.as_ref().map(Secret::reveal);
        let mut identities = Vec::new();
        let mut late = Vec::new();
        for _ in &settings.certificates {
            let (identity, untimely) = Identity::load(next()?, next()?, password, &provider)?;
            identities.push(identity);
            late.push(untimely);
        }
        let identities = Arc::new(Identities::new(identities));
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let versions: &[_] = if settings.tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(setup)?;
        let verification: Vec<_> = files.collect();
        let clients = Clients::load(settings, &verification, provider)?;
        let builder = match clients.verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&identities) as _);
        config.alpn_protocols.clone_from(&settings.alpn);
        // Choose the strongest suite that both sides support.
        config.ignore_client_order = true;
        // A ticket contains the whole session, so workers need to share only the secret.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Do not resume sessions that were verified under other settings.
        let mut context = Digest::new(&SHA256);
        context.update(&[settings.client_certificates as u8]);
        for (_, text) in &verification {
            context.update(text.as_bytes());
        }
        config.ticketer = Arc::new(Tickets::new(secret.clone(), context.finish().as_ref()));
        let Clients { lists, unlisted, .. } = clients;
        Ok(Self { config: Arc::new(config), identities, late, lists, unlisted })
    }

    /// Checks that this may replace `current`: nothing has expired that had not expired there too.
    fn replaces(&self, current: &Self) -> Result<(), TlsError> {
        let mut pairs = self.late.iter().zip(&current.late);
        let late = pairs.find_map(|(new, old)| new.as_ref().filter(|_| old.is_none()).cloned());
        let lists = self.lists.iter().filter(|list| !current.lists.contains(list));
        let now = SystemTime::now();
        match late.or_else(|| lists.into_iter().find_map(|list| list.expired(now))) {
            Some(expired) => Err(expired),
            None => Ok(()),
        }
    }

    fn expired_lists(&self) -> impl Iterator<Item = TlsError> {
        let now = SystemTime::now();
        self.lists.iter().filter_map(move |list| list.expired(now))
    }
}

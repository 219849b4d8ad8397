//! Reads and checks the TLS files, makes a rustls configuration of them, and reloads them when they change.
//!
//! New connections trigger the check for changes, at most once a second: this needs no watcher, never wakes an idle
//! server, and notices files replaced through symbolic links. Faulty files are not used.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::crypto::default_provider;
use crate::crypto::digest::{Context as Digest, SHA256};
use pounce_config::{HttpVersions, Secret, TlsConfig, TlsVersion};
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};

use super::TlsError;
use super::clients::Clients;
use super::files::{self, Look};
use super::identity::{Identities, Identity};
use super::revocation::RevocationList;
use super::tickets::{TicketSecret, Tickets, period};

/// The shortest time between two checks of the files.
const LOOK: Duration = Duration::from_secs(1);

/// The TLS configuration of a server, kept up to date with its files. Shared by threads.
#[derive(Debug)]
pub struct TlsStore {
    config: TlsConfig,
    /// The versions of HTTP that clients may agree on (RFC 7301).
    versions: HttpVersions,
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

impl TlsStore {
    /// Reads the files. If they are invalid, uses `fallback`: the texts of another store.
    ///
    /// Expired certificates are used anyway, with a warning: the clock may be wrong. An expired list of revoked
    /// certificates is refused: certificates revoked since then would be accepted.
    ///
    /// # Errors
    /// The fault, and the file that has it.
    pub fn open(
        config: TlsConfig,
        versions: HttpVersions,
        secret: TicketSecret,
        fallback: Option<Vec<Secret>>,
    ) -> Result<Self, TlsError> {
        let seen = files::look(&config);
        let read = files::read(&config).and_then(|texts| {
            let setup = Setup::make(&config, versions, &secret, &texts)?;
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
                let before = Setup::make(&config, versions, &secret, &texts)?;
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
        Ok(Self { config, versions, state: Mutex::new(state) })
    }

    /// What it was opened with.
    pub(crate) fn config(&self) -> &TlsConfig {
        &self.config
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
        let seen = files::look(&self.config);
        if seen == state.seen {
            return;
        }
        state.seen = seen;
        state.advance_secret();
        let read = files::read(&self.config).and_then(|texts| {
            if digest(&texts) == state.digest {
                return Ok(None);
            }
            let setup = Setup::make(&self.config, self.versions, &state.secret, &texts)?;
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

/// The protocols to agree on, the preferred one first.
fn alpn(versions: HttpVersions) -> Vec<Vec<u8>> {
    let names: &[&[u8]] = match versions {
        HttpVersions::Auto => &[b"h2", b"http/1.1"],
        HttpVersions::Http1 => &[b"http/1.1"],
        HttpVersions::Http2 => &[b"h2"],
    };
    names.iter().map(|name| name.to_vec()).collect()
}

impl Setup {
    fn make(
        tls: &TlsConfig,
        versions: HttpVersions,
        secret: &TicketSecret,
        texts: &[Secret],
    ) -> Result<Self, TlsError> {
        let mut files = files::paths(tls).zip(texts.iter().map(Secret::reveal));
        let mut next = || files.next().ok_or_else(|| TlsError::Setup("a file is missing".into()));
        let provider = Arc::new(default_provider());
        let password = tls.key_password.as_ref().map(Secret::reveal);
        let mut identities = Vec::new();
        let mut late = Vec::new();
        for _ in &tls.certificates {
            let (identity, untimely) = Identity::load(next()?, next()?, password, &provider)?;
            identities.push(identity);
            late.push(untimely);
        }
        let identities = Arc::new(Identities::new(identities));
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let protocols: &[_] = match tls.min_version {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(protocols)
            .map_err(setup)?;
        let verification: Vec<_> = files.collect();
        let clients = Clients::load(tls, &verification, provider)?;
        let builder = match clients.verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&identities) as _);
        config.alpn_protocols = alpn(versions);
        // Choose the strongest suite that both sides support.
        config.ignore_client_order = true;
        // A ticket contains the whole session, so workers need to share only the secret.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Do not resume sessions that were verified under other settings.
        let mut context = Digest::new(&SHA256);
        context.update(&[tls.client_certificates as u8]);
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

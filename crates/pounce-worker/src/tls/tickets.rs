//! Session tickets (RFC 5077, RFC 8446 section 4.6.1) that every worker of a server can read.
//!
//! All keys come from one secret, which the server makes as it starts and gives to its workers. A key is used
//! for [`PERIOD`] and accepted for another one: nothing has to be agreed on as keys change.

use std::fmt;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::server::ProducesTickets;

/// How long a key makes tickets, in seconds.
const PERIOD: u64 = 6 * 60 * 60;

/// What the keys of all tickets of a server come from.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSecret([u8; 32]);

impl TicketSecret {
    /// A new one. `None` where the system has no random numbers.
    pub fn generate() -> Option<Self> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The one that has these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, to be handed to a worker and to nobody else.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret(..)")
    }
}

/// Makes and reads tickets.
pub(super) struct Tickets {
    prk: Prk,
    /// The key of the latest period, with its number.
    key: Mutex<Option<(u64, LessSafeKey)>>,
}

impl Tickets {
    /// `context` is what a session depends on beside the secret: a ticket from before it changed is worth nothing.
    pub(super) fn new(secret: &TicketSecret, context: &[u8]) -> Self {
        let prk = Salt::new(HKDF_SHA256, context).extract(&secret.0);
        Self { prk, key: Mutex::default() }
    }

    fn derive(&self, period: u64) -> Option<LessSafeKey> {
        let info = [&b"pounce session tickets"[..], &period.to_be_bytes()];
        let key = self.prk.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }

    /// Calls `with` with the key of a period.
    fn with_key<R>(&self, period: u64, with: impl FnOnce(&LessSafeKey) -> Option<R>) -> Option<R> {
        let mut latest = self.key.lock().ok()?;
        if latest.as_ref().is_none_or(|(known, _)| *known < period) {
            *latest = Some((period, self.derive(period)?));
        }
        match &*latest {
            Some((known, key)) if *known == period => with(key),
            _ => with(&self.derive(period)?),
        }
    }

    fn encrypt_at(&self, period: u64, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut ticket = period.to_be_bytes().to_vec();
        ticket.extend_from_slice(&nonce);
        let mut sealed = plain.to_vec();
        self.with_key(period, |key| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).ok()
        })?;
        ticket.append(&mut sealed);
        Some(ticket)
    }

    fn decrypt_at(&self, now: u64, ticket: &[u8]) -> Option<Vec<u8>> {
        let (period, rest) = ticket.split_first_chunk::<8>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let period = u64::from_be_bytes(*period);
        if period != now && period.checked_add(1) != Some(now) {
            return None;
        }
        let mut opened = sealed.to_vec();
        let length = self.with_key(period, |key| {
            let nonce = Nonce::assume_unique_for_key(*nonce);
            key.open_in_place(nonce, Aad::empty(), &mut opened).ok().map(|plain| plain.len())
        })?;
        opened.truncate(length);
        Some(opened)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        PERIOD as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.encrypt_at(period(), plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.decrypt_at(period(), cipher)
    }
}

/// The number of the period that it is.
fn period() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(context: &[u8]) -> Tickets {
        Tickets::new(&TicketSecret::from_bytes([7; 32]), context)
    }

    #[test]
    fn another_worker_of_the_server_reads_a_ticket_in_its_period_and_the_next() {
        let ticket = tickets(b"").encrypt_at(5, b"session").unwrap();
        let other = tickets(b"");
        for (now, read) in [(4, false), (5, true), (6, true), (7, false), (5, true)] {
            assert_eq!(other.decrypt_at(now, &ticket).is_some(), read, "{now}");
        }
        assert_eq!(other.decrypt_at(5, &ticket).as_deref(), Some(&b"session"[..]));
    }

    #[test]
    fn a_ticket_of_another_server_or_context_and_a_changed_one_are_worth_nothing() {
        let mut ticket = tickets(b"").encrypt_at(5, b"session").unwrap();
        assert_eq!(tickets(b"other").decrypt_at(5, &ticket), None);
        let stranger = Tickets::new(&TicketSecret::from_bytes([8; 32]), b"");
        assert_eq!(stranger.decrypt_at(5, &ticket), None);
        for length in 0..ticket.len() {
            assert_eq!(tickets(b"").decrypt_at(5, &ticket[..length]), None);
        }
        *ticket.last_mut().unwrap() ^= 1;
        assert_eq!(tickets(b"").decrypt_at(5, &ticket), None);
    }
}

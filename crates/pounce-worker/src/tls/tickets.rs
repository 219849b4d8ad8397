//! Session tickets (RFC 5077, RFC 8446 section 4.6.1) that every worker of a server can read.
//!
//! All keys derive from a secret that the server makes as it starts and gives to its workers. Each period of
//! [`PERIOD`] has its own secret, derived from the previous one; a key is accepted for one period more. So workers need
//! no coordination as keys change, and past keys cannot be recovered.

use std::fmt;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::crypto::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use crate::crypto::hkdf::{HKDF_SHA256, Salt};
use crate::crypto::rand::{SecureRandom as _, SystemRandom};
use rustls::server::ProducesTickets;
use zeroize::Zeroizing;

/// How long a key makes tickets, in seconds.
const PERIOD: u64 = 6 * 60 * 60;

/// The secret from which a period's ticket keys and the next period's secret derive. It reveals no earlier one: an
/// attacker who gets it cannot decrypt sessions of past periods.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSecret {
    period: u64,
    bytes: Zeroizing<[u8; 32]>,
}

impl TicketSecret {
    /// A new secret. `None` if the system has no random numbers.
    pub fn generate() -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes).ok()?;
        Some(Self { period: period(), bytes })
    }

    /// The secret with these parts.
    pub fn from_parts(period: u64, bytes: [u8; 32]) -> Self {
        Self { period, bytes: bytes.into() }
    }

    /// Its period and its bytes, for workers only.
    pub fn parts(&self) -> (u64, &[u8; 32]) {
        (self.period, &self.bytes)
    }

    /// The secret of a later period.
    pub(super) fn at(mut self, period: u64) -> Option<Self> {
        while self.period < period {
            let next = Salt::new(HKDF_SHA256, b"").extract(&*self.bytes);
            next.expand(&[b"pounce next secret"], HKDF_SHA256).ok()?.fill(&mut *self.bytes).ok()?;
            self.period += 1;
        }
        Some(self)
    }

    fn key(&self, context: &[u8]) -> Option<LessSafeKey> {
        let prk = Salt::new(HKDF_SHA256, context).extract(&*self.bytes);
        let key = prk.expand(&[b"pounce session tickets"], &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret(..)")
    }
}

/// Makes and reads tickets.
pub struct Tickets {
    context: Vec<u8>,
    keys: Mutex<Option<Keys>>,
}

/// The keys of a period and of the previous one.
struct Keys {
    secret: TicketSecret,
    current: LessSafeKey,
    previous: Option<LessSafeKey>,
}

impl Tickets {
    /// `context` is a digest of the settings that a session depends on: tickets from before it changed are invalid.
    pub fn new(secret: TicketSecret, context: &[u8]) -> Self {
        let keys = secret.key(context).map(|current| Keys { secret, current, previous: None });
        Self { context: context.to_vec(), keys: Mutex::new(keys) }
    }

    /// Calls `with` with the keys of a period.
    fn with_keys<R>(&self, period: u64, with: impl FnOnce(&Keys) -> Option<R>) -> Option<R> {
        let mut keys = self.keys.lock().ok()?;
        let known = keys.as_ref()?.secret.period;
        if known < period {
            let Keys { secret, current, .. } = keys.take()?;
            // Only the keys of the previous period are still accepted.
            let previous = if known + 1 == period {
                Some(current)
            } else {
                secret.clone().at(period - 1)?.key(&self.context)
            };
            let secret = secret.at(period)?;
            let current = secret.key(&self.context)?;
            *keys = Some(Keys { secret, current, previous });
        }
        keys.as_ref().and_then(with)
    }

    fn encrypt_at(&self, period: u64, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        // A clock that was set back does not bring back a key.
        let period = self.with_keys(period, |keys| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            keys.current.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).ok()?;
            Some(keys.secret.period)
        })?;
        let mut ticket = period.to_be_bytes().to_vec();
        ticket.extend_from_slice(&nonce);
        ticket.append(&mut sealed);
        Some(ticket)
    }

    fn decrypt_at(&self, now: u64, ticket: &[u8]) -> Option<Vec<u8>> {
        let (period, rest) = ticket.split_first_chunk::<8>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let period = u64::from_be_bytes(*period);
        let mut opened = sealed.to_vec();
        let length = self.with_keys(now, |keys| {
            let key = match keys.secret.period.checked_sub(period)? {
                0 => Some(&keys.current),
                1 => keys.previous.as_ref(),
                _ => None,
            };
            let nonce = Nonce::assume_unique_for_key(*nonce);
            key?.open_in_place(nonce, Aad::empty(), &mut opened).ok().map(|plain| plain.len())
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

/// The number of the current period.
pub(super) fn period() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(context: &[u8]) -> Tickets {
        Tickets::new(TicketSecret::from_parts(3, [7; 32]), context)
    }

    #[test]
    fn another_worker_of_the_server_reads_a_ticket_in_its_period_and_the_next() {
        let ticket = tickets(b"").encrypt_at(5, b"session").unwrap();
        for (now, read) in [(4, false), (5, true), (6, true), (7, false)] {
            let other = tickets(b"");
            assert_eq!(other.decrypt_at(now, &ticket).is_some(), read, "{now}");
        }
        // A worker that starts later gets the secret of its time.
        let (period, bytes) = (5, *TicketSecret::from_parts(3, [7; 32]).at(5).unwrap().parts().1);
        let later = Tickets::new(TicketSecret::from_parts(period, bytes), b"");
        assert_eq!(later.decrypt_at(5, &ticket).as_deref(), Some(&b"session"[..]));
    }

    #[test]
    fn past_keys_do_not_come_back() {
        let tickets = tickets(b"");
        let old = tickets.encrypt_at(5, b"old").unwrap();
        let new = tickets.encrypt_at(8, b"new").unwrap();
        // The clock is set back: the keys are not.
        assert_eq!(tickets.decrypt_at(5, &old), None);
        assert_eq!(tickets.decrypt_at(5, &new).as_deref(), Some(&b"new"[..]));
        let again = tickets.encrypt_at(5, b"again").unwrap();
        assert_eq!(tickets.decrypt_at(8, &again).as_deref(), Some(&b"again"[..]));
    }

    #[test]
    fn a_ticket_of_another_server_or_context_and_a_changed_one_are_refused() {
        let mut ticket = tickets(b"").encrypt_at(5, b"session").unwrap();
        assert_eq!(tickets(b"other").decrypt_at(5, &ticket), None);
        let stranger = Tickets::new(TicketSecret::from_parts(3, [8; 32]), b"");
        assert_eq!(stranger.decrypt_at(5, &ticket), None);
        for length in 0..ticket.len() {
            assert_eq!(tickets(b"").decrypt_at(5, &ticket[..length]), None);
        }
        *ticket.last_mut().unwrap() ^= 1;
        assert_eq!(tickets(b"").decrypt_at(5, &ticket), None);
    }
}

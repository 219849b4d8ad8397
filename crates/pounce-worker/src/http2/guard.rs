//! A budget for frames without effect: pings, settings, priorities, window updates, resets, empty data, frames of
//! unknown types. A client that sends more of them than useful ones is disconnected.
//!
//! It reads only the frames' heads; the `h2` crate reads the frames.

use std::time::{Duration, Instant};

use super::PREFACE;

/// How long an exhausted budget takes to become full again by time alone.
const REFILL: Duration = Duration::from_secs(10);

/// How many bytes the server writes for each window update that a client may send: it may read octet by octet.
const BYTES_PER_UPDATE: f64 = 8.0;

/// Why a client is disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tripped {
    /// It has sent too many frames without effect.
    Flood,
    /// Its first frame was not SETTINGS (RFC 9113 section 3.4).
    Preface,
}

/// Watches the frames of one client.
#[derive(Debug)]
pub struct Guard {
    max: f64,
    left: f64,
    /// The separate budget for window updates, which the server's writes refill.
    updates: f64,
    refilled: Instant,
    /// The first frame has come.
    begun: bool,
    /// The part of the preface that is still to come.
    preface: usize,
    /// The head that is on its way.
    head: [u8; 9],
    have: usize,
    /// How many bytes of the current payload are still to come.
    payload: usize,
}

impl Guard {
    /// At the start of a connection.
    pub fn new(max_idle_frames: u32, now: Instant) -> Self {
        let max = f64::from(max_idle_frames);
        Self {
            max,
            left: max,
            updates: max,
            refilled: now,
            begun: false,
            preface: PREFACE.len(),
            head: [0; 9],
            have: 0,
            payload: 0,
        }
    }

    /// Notes that this many bytes were written.
    pub fn wrote(&mut self, count: usize) {
        self.updates = (self.updates + count as f64 / BYTES_PER_UPDATE).min(self.max);
    }

    /// Examines received bytes.
    ///
    /// # Errors
    /// The client must be disconnected.
    pub fn read(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Tripped> {
        let passed = now.saturating_duration_since(self.refilled);
        self.refilled = now;
        let refill = self.max * passed.as_secs_f64() / REFILL.as_secs_f64();
        self.earn(refill);
        self.updates = (self.updates + refill).min(self.max);
        let preface = self.preface.min(bytes.len());
        self.preface -= preface;
        bytes = &bytes[preface..];
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skipped = self.payload.min(bytes.len());
                self.payload -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (self.head.len() - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == self.head.len() {
                self.have = 0;
                self.take_head()?;
            }
        }
        Ok(())
    }

    fn take_head(&mut self) -> Result<(), Tripped> {
        let [high, middle, low, kind, flags, ..] = self.head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.payload = length;
        let end_stream = flags & 1 != 0;
        if !std::mem::replace(&mut self.begun, true) && kind != 4 {
            return Err(Tripped::Preface);
        }
        match kind {
            // DATA that is empty except for padding.
            0 if length == 0 && !end_stream => self.spend(1.0),
            // DATA, HEADERS
            0 | 1 => {
                self.earn(1.0);
                Ok(())
            }
            // RST_STREAM costs more than its stream has earned.
            3 => self.spend(2.0),
            8 => {
                self.updates -= 1.0;
                if self.updates < 0.0 { Err(Tripped::Flood) } else { Ok(()) }
            }
            _ => self.spend(1.0),
        }
    }

    fn earn(&mut self, frames: f64) {
        self.left = (self.left + frames).min(self.max);
    }

    fn spend(&mut self, frames: f64) -> Result<(), Tripped> {
        self.left -= frames;
        if self.left < 0.0 { Err(Tripped::Flood) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        [&[0, 0, length, kind, flags, 0, 0, 0, 1][..], &vec![0; length.into()]].concat()
    }

    fn frames_until_trip(max: u32, frames: &[Vec<u8>]) -> Option<usize> {
        let now = Instant::now();
        let mut guard = Guard::new(max, now);
        guard.read(&[PREFACE, &frame(4, 0, 0)].concat(), now).unwrap();
        (0..10 * max as usize).find(|_| frames.iter().any(|frame| guard.read(frame, now).is_err()))
    }

    #[test]
    fn a_flood_of_frames_without_effect_trips_it() {
        for kind in [2, 4, 6, 8, 9, 77] {
            assert_eq!(
                frames_until_trip(100, &[frame(kind, 0, 8)]),
                Some(if kind == 8 { 100 } else { 99 }),
                "{kind}"
            );
        }
        assert_eq!(frames_until_trip(100, &[frame(0, 0, 0)]), Some(99));
        assert!(frames_until_trip(100, &[frame(1, 4, 20), frame(3, 0, 4)]).is_some());
    }

    #[test]
    fn useful_frames_pay_for_what_comes_with_them() {
        assert_eq!(frames_until_trip(100, &[frame(1, 5, 20), frame(6, 0, 8)]), None);
        assert_eq!(frames_until_trip(100, &[frame(0, 0, 200)]), None);
        assert_eq!(frames_until_trip(100, &[frame(0, 1, 0)]), None);
    }

    #[test]
    fn time_and_bytes_that_were_sent_refill_it() {
        let start = Instant::now();
        let mut guard = Guard::new(100, start);
        guard.read(&[PREFACE, &frame(4, 0, 0)].concat(), start).unwrap();
        for second in 0..100 {
            for _ in 0..10 {
                guard.read(&frame(6, 0, 8), start + Duration::from_secs(second)).unwrap();
            }
        }
        for _ in 0..10_000 {
            guard.wrote(10);
            guard.read(&frame(8, 0, 4), start).unwrap();
        }
    }

    #[test]
    fn a_client_that_does_not_begin_with_settings_is_disconnected() {
        let now = Instant::now();
        let mut guard = Guard::new(100, now);
        let bytes = [PREFACE, &frame(1, 5, 20)].concat();
        assert_eq!(guard.read(&bytes, now), Err(Tripped::Preface));
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_are_split() {
        let now = Instant::now();
        let bytes = [PREFACE.to_vec(), frame(4, 0, 18), frame(6, 0, 8), frame(6, 0, 8)].concat();
        for step in 1..bytes.len() {
            let mut guard = Guard::new(2, now);
            assert!(bytes.chunks(step).any(|piece| guard.read(piece, now).is_err()), "{step}");
            let mut guard = Guard::new(3, now);
            assert!(bytes.chunks(step).all(|piece| guard.read(piece, now).is_ok()), "{step}");
        }
    }
}

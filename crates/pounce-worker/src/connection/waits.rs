//! What the application waits for in an exchange, and when to poll it again.

use std::task::Poll;

use super::HIGH_WATER;

/// What the application waits for: nothing, `receive()`, `send()` or both.
///
/// To poll the application because of a wait, take the wait first. If the application still waits, it registers again;
/// if it has lost interest, it is not polled for this again.
#[derive(Debug, Default)]
pub(super) struct AppWaits {
    receive: bool,
    send: bool,
}

impl AppWaits {
    /// Notes that the application waits in `receive()`. True if it did not before.
    pub(super) fn receive(&mut self) -> bool {
        !std::mem::replace(&mut self.receive, true)
    }

    pub(super) fn is_receiving(&self) -> bool {
        self.receive
    }

    pub(super) fn is_sending(&self) -> bool {
        self.send
    }

    /// On an event: whether the application was waiting for one.
    pub(super) fn take_receive(&mut self) -> bool {
        std::mem::take(&mut self.receive)
    }

    /// Ready if the application may send more although `unwritten` bytes wait to be written; else notes that it waits.
    pub(super) fn poll_send(&mut self, unwritten: u64) -> Poll<()> {
        let limit = if self.send { HIGH_WATER / 2 } else { HIGH_WATER };
        self.send = unwritten > limit;
        if self.send { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Whether the application was waiting to send more and now may.
    pub(super) fn take_send(&mut self, unwritten: u64) -> bool {
        unwritten <= HIGH_WATER / 2 && std::mem::take(&mut self.send)
    }

    /// At the end of the exchange: whether the application was waiting for anything.
    pub(super) fn clear(&mut self) -> bool {
        let Self { receive, send } = std::mem::take(self);
        receive || send
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sending_suspends_at_the_mark_and_goes_on_at_half_of_it() {
        let mut waits = AppWaits::default();
        assert!(waits.poll_send(HIGH_WATER).is_ready());
        assert!(!waits.take_send(0), "nobody waits");
        assert!(waits.poll_send(HIGH_WATER + 1).is_pending());
        assert!(waits.poll_send(HIGH_WATER / 2 + 1).is_pending());
        assert!(!waits.take_send(HIGH_WATER / 2 + 1));
        assert!(waits.take_send(HIGH_WATER / 2));
        assert!(!waits.take_send(0), "it was polled for this");
    }

    #[test]
    fn a_wait_is_new_once() {
        let mut waits = AppWaits::default();
        assert!(waits.receive());
        assert!(!waits.receive());
        assert!(waits.take_receive());
        assert!(!waits.take_receive());
        assert!(waits.receive());
        assert!(waits.clear());
        assert!(!waits.clear());
    }
}

//! The state of one WebSocket: unread messages, unwritten output, its phase.

use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll};

use pounce_asgi::{MessageKind, ResponseHead};
use pounce_config::WebSocketConfig;

use super::super::HIGH_WATER;
use super::super::input::Input;
use super::super::waits::AppWaits;
use super::carrier::{Carrier, Closed};
use super::phase::{WebSocketEnd, WebSocketPhase};
use super::queue::MessageQueue;
use crate::engine::{Engine, Share};
use crate::output::Output;
use crate::websocket::{Codecs, FrameEvent, FrameFault, MessageLimits, Receiver, Sender, UpgradeRequest};

/// How many frames a message may consist of: more than any known client sends.
const MAX_FRAGMENTS: u32 = 128 * 1024;

/// From this size on, a message stays in the input until the application takes it. A smaller one is copied, which
/// frees the large buffer for other connections.
const LIES_FROM: usize = 4 * 1024;

/// How many bytes are read before the application accepts.
const EARLY: usize = 16 * 1024;

/// How many bytes a WebSocket may hold when the worker's read-ahead budget is used up: enough for control frames.
const ALWAYS: usize = 4 * 1024;

pub(super) struct WebSocketState {
    pub(super) carrier: Box<dyn Carrier>,
    pub(super) input: Input,
    pub(super) output: Output,
    receiver: Receiver,
    pub(super) sender: Sender,
    /// The client's request, until accepted.
    pub(super) request: Option<Box<UpgradeRequest>>,
    pub(super) settings: WebSocketConfig,
    pub(super) phase: WebSocketPhase,
    /// The application has not received `websocket.connect` yet.
    pub(super) connect_due: bool,
    /// Messages that the application has not received yet.
    queue: MessageQueue,
    /// Their share of the worker's read-ahead budget.
    share: Share,
    /// The client's fault, while the application still answers earlier messages.
    fault: Option<FrameFault>,
    pub(super) end: Option<WebSocketEnd>,
    pub(super) end_taken: bool,
    pub(super) waits: AppWaits,
    /// Bytes received.
    pub(super) received: u64,
    /// The application has taken a message, so there may be room for more.
    pub(super) has_taken: bool,
    /// Reading stopped because too much output waits.
    pub(super) held_back: bool,
    /// The application has ended the WebSocket, by a close frame or a denial response.
    pub(super) ended_by_application: bool,
    /// The sending side is shut down.
    pub(super) shut_down: bool,
    /// The client sends nothing more.
    pub(super) end_of_input: bool,
    /// The status of the accepting or denying response, once its head has been sent.
    pub(super) status: Option<u16>,
    /// The application has accepted it.
    pub(super) is_accepted: bool,
    pub(super) sent: u64,
    pub(super) response_head: ResponseHead,
}

impl WebSocketState {
    pub(super) fn new(
        carrier: Box<dyn Carrier>,
        input: Input,
        output: Output,
        request: UpgradeRequest,
        engine: &Engine,
    ) -> Self {
        let settings = engine.settings.websocket.unwrap_or_default();
        let deflate = request.deflate.as_ref().map(|(_, window)| (Rc::clone(&engine.codecs), *window));
        let limits = MessageLimits { message: settings.max_size, fragments: MAX_FRAGMENTS };
        Self {
            carrier,
            input,
            output,
            receiver: Receiver::new(limits, deflate.is_some()),
            sender: Sender::new(deflate),
            request: Some(Box::new(request)),
            settings,
            phase: WebSocketPhase::Connecting,
            connect_due: true,
            queue: MessageQueue::default(),
            share: engine.read_ahead.share(),
            fault: None,
            end: None,
            end_taken: false,
            waits: AppWaits::default(),
            received: 0,
            has_taken: false,
            held_back: false,
            ended_by_application: false,
            shut_down: false,
            end_of_input: false,
            status: None,
            is_accepted: false,
            sent: 0,
            response_head: ResponseHead::default(),
        }
    }

    /// Whether `receive()` has an event to return.
    pub(super) fn has_event(&self) -> bool {
        self.connect_due || !self.queue.is_empty() || self.end.is_some()
    }

    /// Calls `take` with the next message. False if there is none, or if it is invalid, which ends the WebSocket.
    pub(super) fn take_message(&mut self, codecs: &Codecs, take: &mut dyn FnMut(MessageKind, &[u8])) -> bool {
        let taken = self.queue.take(&self.input, (codecs, self.settings.max_size), take);
        self.has_taken = !matches!(taken, Ok(false));
        if let Err(fault) = taken {
            self.refuse(fault);
        }
        self.settle();
        matches!(taken, Ok(true))
    }

    /// Ends the WebSocket for a message that cannot be inflated, which shows only when the application takes it.
    fn refuse(&mut self, fault: FrameFault) {
        self.queue.clear();
        if self.phase == WebSocketPhase::Open {
            self.fail(fault.code(), fault.reason());
        } else {
            self.end.get_or_insert(WebSocketEnd { code: fault.code(), reason: fault.reason().to_owned() });
        }
    }

    /// Moves a message out of the input into the queue, so that reading can go on before the application takes it.
    pub(super) fn pick_up(&mut self) {
        self.queue.pick_up(&self.input);
    }

    /// Reports the held bytes to the budget.
    fn settle(&mut self) {
        self.share.settle(self.queue.bytes() + self.receiver.kept() + self.input.memory());
    }

    /// Drops the remaining messages when the task ends.
    pub(super) fn abandon(&mut self) {
        self.queue.clear();
        self.share.stop_waiting();
        self.share.settle(0);
    }

    /// How many bytes may be read at once: any number while the application waits for a message or the worker's budget
    /// has room for this WebSocket; otherwise only up to what every WebSocket may hold.
    fn readable(&mut self) -> usize {
        let is_awaited = self.waits.is_receiving() && !self.has_event();
        let keeps_nothing = !matches!(
            self.phase,
            WebSocketPhase::Connecting | WebSocketPhase::Denying | WebSocketPhase::Open
        );
        if is_awaited || keeps_nothing || self.share.may_read() {
            self.share.stop_waiting();
            return usize::MAX;
        }
        ALWAYS.saturating_sub(self.share.held())
    }

    /// Whether more may be read: not while the application or the client is behind.
    fn may_read(&self) -> bool {
        let has_room = match self.phase {
            WebSocketPhase::Open => self.queue.has_room(self.settings.max_queue),
            // Messages are dropped; only the client's close frame is awaited.
            WebSocketPhase::Closing => true,
            _ => false,
        };
        has_room && self.output.len() <= HIGH_WATER
    }

    /// Whether input is read, so that silence means that the client sends nothing.
    pub(super) fn is_reading(&self) -> bool {
        self.may_read() && !self.end_of_input && !self.share.is_waiting()
    }

    /// Whether the WebSocket will end for a fault once the application has answered earlier messages.
    pub(super) fn is_faulty(&self) -> bool {
        self.fault.is_some() && self.phase == WebSocketPhase::Open
    }

    /// Ends the WebSocket for the client's fault, if there is one.
    pub(super) fn fail_for_fault(&mut self) {
        if let Some(fault) = self.fault.take() {
            self.fail(fault.code(), fault.reason());
        }
    }

    /// Parses frames from the input. True if more input is needed.
    pub(super) fn parse(&mut self) -> bool {
        if self.fault.is_some() {
            // The application has answered the earlier messages once it waits for another.
            let answers = !self.waits.is_receiving() || !self.queue.is_empty();
            if self.phase != WebSocketPhase::Open || !answers {
                self.fail_for_fault();
            }
            return false;
        }
        while self.may_read() {
            let step = match self.receiver.advance(self.input.bytes_mut()) {
                Ok(step) => step,
                Err(fault) => {
                    self.fault = Some(fault);
                    return self.parse();
                }
            };
            let base = self.input.position();
            self.input.consume(step.consumed);
            let found = |range: Range<usize>| base + range.start..base + range.end;
            match step.event {
                FrameEvent::NeedMore => return true,
                // After the server's close frame, only the client's counts.
                FrameEvent::Message(..) if self.phase == WebSocketPhase::Closing => {}
                FrameEvent::Message(kind, range)
                    if range.len() >= LIES_FROM && self.waits.is_receiving() && self.queue.is_empty() =>
                {
                    self.queue.lay(kind, found(range));
                }
                FrameEvent::Message(kind, range) => {
                    let bytes = self.input.part(found(range)).to_vec();
                    self.queue.push(kind, false, bytes);
                }
                FrameEvent::Assembled(kind) | FrameEvent::Compressed(kind) => {
                    let compressed = matches!(step.event, FrameEvent::Compressed(_));
                    let bytes = self.receiver.take_message();
                    if self.phase == WebSocketPhase::Open {
                        self.queue.push(kind, compressed, bytes);
                    }
                }
                FrameEvent::Ping(range) => {
                    if self.phase == WebSocketPhase::Open {
                        self.sender.pong(self.input.part(found(range)), &mut self.output);
                    }
                }
                FrameEvent::Fragment | FrameEvent::Pong => {}
                FrameEvent::Close(code, reason) => {
                    if self.phase == WebSocketPhase::Open {
                        self.sender.close(code, &reason, &mut self.output);
                    }
                    self.end.get_or_insert(WebSocketEnd { code: code.unwrap_or(1005), reason });
                    self.phase = WebSocketPhase::Leaving;
                }
            }
        }
        false
    }

    /// Reads and parses arrived bytes.
    pub(super) fn poll_input(&mut self, engine: &Engine, cx: &mut Context<'_>) {
        self.read(engine, cx);
        self.settle();
    }

    fn read(&mut self, engine: &Engine, cx: &mut Context<'_>) {
        loop {
            let phase = self.phase;
            let wanted = match phase {
                WebSocketPhase::Connecting | WebSocketPhase::Denying => self.input.len() < EARLY,
                WebSocketPhase::Open | WebSocketPhase::Closing => self.parse(),
                WebSocketPhase::Leaving => {
                    // Drop further input, but notice its end.
                    let all = self.input.len();
                    self.input.consume(all);
                    !self.queue.has_lying()
                }
                WebSocketPhase::Gone => false,
            };
            // The input contained a close frame: read on to notice the end of the stream.
            if self.phase != phase {
                continue;
            }
            if !wanted || self.end_of_input {
                self.held_back = self.output.len() > HIGH_WATER;
                if !self.queue.has_lying() {
                    self.input.shrink(engine);
                }
                return;
            }
            if !self.share.has_room() {
                self.input.shrink(engine);
            }
            self.settle();
            let readable = self.readable();
            if readable == 0 {
                self.share.wait(cx);
                return;
            }
            let filled = self.input.poll_fill(engine, |room| {
                let end = room.len().min(readable);
                self.carrier.poll_read(cx, &mut room[..end])
            });
            match filled {
                Poll::Ready(Ok(read @ 1..)) => self.received += read as u64,
                Poll::Ready(_) => {
                    self.end_of_input = true;
                    if self.phase != WebSocketPhase::Leaving {
                        self.lose();
                    }
                    return;
                }
                Poll::Pending => return,
            }
        }
    }

    /// Writes the output. Ready when nothing is left.
    pub(super) fn poll_output(&mut self, engine: &Engine, cx: &mut Context<'_>) -> Poll<()> {
        while !self.output.is_empty() {
            match self.output.poll_write(|slices| self.carrier.poll_write(cx, slices)) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => self.lose(),
                Poll::Pending => return Poll::Pending,
            }
        }
        if let Some(buffer) = self.output.take_buffer() {
            engine.buffers.give_write(buffer);
        }
        self.carrier.poll_denial(cx).map(|denied| {
            if denied.is_err() {
                self.lose();
            }
        })
    }

    /// How many bytes wait to be written.
    pub(super) fn waiting(&self) -> u64 {
        self.output.len() + self.carrier.waiting()
    }

    /// Whether reading, stopped by too much waiting output, may resume.
    pub(super) fn may_go_on(&mut self) -> bool {
        self.held_back && self.may_read() && std::mem::take(&mut self.held_back)
    }

    /// Makes sure that the output has a buffer.
    pub(super) fn prepare_output(&mut self, engine: &Engine) {
        if self.output.is_empty() {
            self.output.give_buffer(engine.buffers.take_write());
        }
    }

    /// Begins the closing handshake.
    pub(super) fn close(&mut self, code: u16, reason: &str) {
        self.sender.close(Some(code), reason, &mut self.output);
        self.end.get_or_insert(WebSocketEnd { code, reason: reason.to_owned() });
        self.pick_up();
        self.receiver.discard_messages();
        self.phase = WebSocketPhase::Closing;
    }

    /// Ends a WebSocket whose client has broken the rules.
    pub(super) fn fail(&mut self, code: u16, reason: &str) {
        if self.phase == WebSocketPhase::Open {
            self.sender.close(Some(code), reason, &mut self.output);
        }
        self.end.get_or_insert(WebSocketEnd { code, reason: reason.to_owned() });
        self.phase = WebSocketPhase::Leaving;
    }

    /// Notes that the client has gone without a close frame.
    pub(super) fn lose(&mut self) {
        self.end.get_or_insert(WebSocketEnd { code: 1006, reason: String::new() });
        self.output.clear();
        self.carrier.close();
        self.carrier = Box::new(Closed);
        self.pick_up();
        self.receiver.discard_messages();
        self.input = Input::default();
        self.share.stop_waiting();
        // Whoever waits for room may be waiting for this.
        self.settle();
        self.phase = WebSocketPhase::Gone;
    }
}

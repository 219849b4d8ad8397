//! The interface of an application to the wire.

use std::future::Future;
use std::rc::Rc;

use crate::{ConnectionInfo, Exchange, Peer, RequestHead, Socket};

/// An application: answers exchanges and has a lifespan.
///
/// Static dispatch, no `Send` bound: an application belongs to one worker and so to one thread.
pub trait App: 'static {
    /// The application's data for a connection, such as the constant part of a scope.
    type Connection: 'static;

    /// An exchange in progress. The wire polls it on the connection's task, together with its input and output,
    /// until it is ready. Dropping it before that cancels the application.
    type Call: Future<Output = Outcome> + Unpin + 'static;

    /// A connection was accepted.
    fn connect(&self, info: &Rc<ConnectionInfo>) -> Self::Connection;

    /// A request head has arrived, from `peer`: start answering, and go as far as possible without waiting.
    ///
    /// Copy out of `head` anything needed after this call: the wire reuses its buffers.
    fn http(
        &self,
        connection: &Self::Connection,
        peer: &Rc<Peer>,
        head: &RequestHead,
        exchange: Exchange,
    ) -> Self::Call;

    /// The client asks for a WebSocket: start answering, and go as far as possible without waiting.
    fn websocket(
        &self,
        connection: &Self::Connection,
        peer: &Rc<Peer>,
        head: &RequestHead,
        socket: Socket,
    ) -> Self::Call;

    /// Gives back memory that a burst of requests took. Called once the worker is quiet again.
    fn give_back_memory(&self) {}

    /// Runs the lifespan's startup (ASGI lifespan 2.0).
    ///
    /// # Errors
    /// The application refused to start, or failed while it tried.
    fn startup(&self) -> impl Future<Output = Result<(), LifespanError>> {
        async { Ok(()) }
    }

    /// Runs the lifespan's shutdown (ASGI lifespan 2.0).
    ///
    /// # Errors
    /// The application reported that its shutdown failed.
    fn shutdown(&self) -> impl Future<Output = Result<(), LifespanError>> {
        async { Ok(()) }
    }
}

/// How an application's part in an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It returned. The wire checks whether it answered.
    Returned,
    /// It raised; the application side has logged the exception.
    Failed,
}

/// Why a lifespan failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifespanError {
    /// `lifespan.startup.failed` or `lifespan.shutdown.failed`, with the application's message.
    #[error("the application reported a failure: {0}")]
    Reported(String),
    /// The application raised to say that it has no lifespan, with the traceback.
    #[error("the application has no lifespan\n{0}")]
    Refused(String),
    /// The application raised, with the traceback.
    #[error("the application raised an exception\n{0}")]
    Raised(String),
    /// The application returned without an answer.
    #[error("the application returned without answering {0}")]
    Silent(&'static str),
}

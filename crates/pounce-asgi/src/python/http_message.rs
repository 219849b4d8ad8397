//! Handles the messages by which an application answers a request.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::{Exchange, Fields, Payload, SendError};

use super::asyncio::Asyncio;
use super::entries::Entries;
use super::files;
use super::reading::{flag, read_fields, read_head, required, send_body, with_bytes, wrong};

/// Handles one message. True if it announces that more follow.
///
/// # Errors
/// The exception to raise in the application if the message is malformed.
pub(super) fn send(
    asyncio: &Asyncio,
    exchange: &Exchange,
    kind: &str,
    mut message: Entries<'_, '_>,
) -> PyResult<(Result<(), SendError>, bool)> {
    let names = &asyncio.names;
    let mut more = false;
    let result = match kind {
        "http.response.body" => {
            let body = message.take(&names.body)?;
            more = flag(&mut message, &names.more_body)?;
            match body {
                Some(body) => send_body(&body, |body| exchange.body(body, more))?,
                None => exchange.body(Payload::Borrowed(b""), more),
            }
        }
        "http.response.start" => {
            let mut head = asyncio.head.take();
            let read = read_head(names, &mut message, &mut head);
            let sent = read.map(|()| exchange.start(&mut head));
            asyncio.head.replace(head);
            sent?
        }
        "http.response.trailers" => {
            let mut fields = Fields::new();
            if let Some(headers) = message.take(&names.headers)? {
                read_fields(&headers, &mut fields)?;
            }
            more = flag(&mut message, &names.more_trailers)?;
            exchange.trailers(&fields, more)
        }
        "http.response.early_hint" => {
            let mut fields = Fields::new();
            let links = required(&mut message, &names.links)?;
            for link in links.try_iter().map_err(|_| wrong("links", "an iterable of bytes", &links))? {
                with_bytes(&link?, "links", |link| fields.push(b"link", link))?;
            }
            exchange.early_hints(&fields)
        }
        // The debug extension's messages are for test clients only.
        "http.response.debug" => Ok(()),
        "http.response.pathsend" => files::send_path(asyncio, exchange, &mut message)?,
        "http.response.zerocopysend" => {
            more = flag(&mut message, &names.more_body)?;
            files::send_descriptor(asyncio, exchange, &mut message, more)?
        }
        other => {
            return Err(PyValueError::new_err(format!(
                "the message type {other:?} is not known here; an HTTP response takes 'http.response.start', \
                 'http.response.body' and the extensions that the scope offers"
            )));
        }
    };
    Ok((result, more))
}

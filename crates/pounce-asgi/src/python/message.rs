//! What an application sends, read into the contract's terms. Every fault names its key.

use std::fs::File;
use std::io::Seek as _;
use std::os::fd::BorrowedFd;

use bytes::Bytes;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PyMemoryView, PyString, PyTuple};

use crate::{Fields, FileBody, Payload, SendError};

use super::call::CallState;

/// From this size on a body is kept as the bytes object it is, rather than copied.
const KEEP_FROM: usize = 16 * 1024;

/// Carries out one message.
///
/// # Errors
/// The exception to raise in the application.
pub(super) fn send(state: &CallState, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<()> {
    let names = &state.kit.names;
    let Some(kind) = message.get_item(&names.kind)? else {
        return Err(PyValueError::new_err("the message has no 'type'"));
    };
    let kind = kind
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("'type' must be a str, got {}", kind_of(&kind))))?;
    let sent = match kind.to_str()? {
        "http.response.body" => {
            let more = flag(message, &names.more_body)?;
            match message.get_item(&names.body)? {
                Some(body) => send_body(state, &body, more)?,
                None => state.exchange.body(Payload::Borrowed(b""), more),
            }
        }
        "http.response.start" => {
            let mut head = state.kit.head.take();
            let read = read_head(state, message, &mut head);
            let sent = read.map(|()| state.exchange.start(&head));
            state.kit.head.replace(head);
            sent?
        }
        "http.response.trailers" => {
            let mut fields = Fields::new();
            if let Some(headers) = message.get_item(&names.headers)? {
                read_fields(&headers, &mut fields)?;
            }
            state.exchange.trailers(&fields, flag(message, &names.more_trailers)?)
        }
        "http.response.early_hint" => {
            let mut fields = Fields::new();
            let links = required(message, &names.links)?;
            for link in links.try_iter().map_err(|_| wrong("links", "an iterable of bytes", &links))? {
                with_bytes(&link?, "links", |link| fields.push(b"link", link))?;
            }
            state.exchange.early_hints(&fields)
        }
        // What the debug extension sends is for test clients; there is none here.
        "http.response.debug" => Ok(()),
        "http.response.pathsend" => {
            let path = required(message, &names.path)?;
            let path: std::path::PathBuf = path.extract().map_err(|_| wrong("path", "a str", &path))?;
            let file = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
            match file {
                Ok((length, file)) => state.exchange.file(FileBody { file, offset: 0, length }, false),
                Err(error) => {
                    Err(SendError::File { path: path.display().to_string(), reason: error.to_string() })
                }
            }
        }
        "http.response.zerocopysend" => send_descriptor(state, py, message)?,
        other => {
            return Err(PyValueError::new_err(format!(
                "the message type {other:?} is not known here; an HTTP response takes 'http.response.start', \
                 'http.response.body' and the extensions that the scope offers"
            )));
        }
    };
    sent.map_err(raise)
}

/// The Python exception for a refused message.
fn raise(error: SendError) -> PyErr {
    let text = error.to_string();
    match error {
        SendError::Disconnected | SendError::File { .. } => PyOSError::new_err(text),
        SendError::Status(_)
        | SendError::FieldName(_)
        | SendError::FieldValue { .. }
        | SendError::ContentLength
        | SendError::TransferEncoding
        | SendError::TrailerName(_) => PyValueError::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}

fn send_body(state: &CallState, body: &Bound<'_, PyAny>, more: bool) -> PyResult<Result<(), SendError>> {
    // Exactly bytes: dropping an object of a subclass could run code of the application's in mid-write.
    if let Ok(bytes) = body.cast_exact::<PyBytes>()
        && bytes.as_bytes().len() >= KEEP_FROM
    {
        let kept = Bytes::from_owner(KeptBytes { bytes: bytes.clone().unbind() });
        return Ok(state.exchange.body(Payload::Shared(kept), more));
    }
    with_bytes(body, "body", |bytes| state.exchange.body(Payload::Borrowed(bytes), more))
}

/// A bytes object that waits to be written. Made, used and dropped on its worker's thread, attached.
struct KeptBytes {
    bytes: Py<PyBytes>,
}

impl AsRef<[u8]> for KeptBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_bytes(super::kit::attached())
    }
}

fn send_descriptor(
    state: &CallState,
    py: Python<'_>,
    message: &Bound<'_, PyDict>,
) -> PyResult<Result<(), SendError>> {
    let names = &state.kit.names;
    let object = required(message, &names.file)?;
    let fd: Option<i32> =
        object.extract().or_else(|_| object.call_method0("fileno").and_then(|fd| fd.extract())).ok();
    let fd = fd
        .filter(|fd| *fd >= 0)
        .ok_or_else(|| wrong("file", "a file descriptor or a file object that has one", &object))?;
    let number = |name: &Py<PyString>| -> PyResult<Option<u64>> {
        match message.get_item(name)? {
            Some(value) if !value.is_none() => value
                .extract()
                .map(Some)
                .map_err(|_| wrong(&name.bind(py).to_string_lossy(), "a positive int", &value)),
            _ => Ok(None),
        }
    };
    let (offset, count) = (number(&names.offset)?, number(&names.count)?);
    let more = flag(message, &names.more_body)?;
    // SAFETY: the application vouches for the descriptor, which is only duplicated; a closed one is an error.
    let mut file = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned().map(File::from)?;
    // The duplicate shares the position.
    let offset = offset.map_or_else(|| file.stream_position(), Ok)?;
    let left = file.metadata()?.len().saturating_sub(offset);
    let length = count.unwrap_or(left).min(left);
    Ok(state.exchange.file(FileBody { file, offset, length }, more))
}

fn read_head(state: &CallState, message: &Bound<'_, PyDict>, head: &mut crate::ResponseHead) -> PyResult<()> {
    let names = &state.kit.names;
    let status = required(message, &names.status)?;
    let number: i64 = status.extract().map_err(|_| wrong("status", "an int", &status))?;
    head.status = u16::try_from(number).map_err(|_| raise(SendError::Status(number)))?;
    head.fields.clear();
    if let Some(headers) = message.get_item(&names.headers)? {
        read_fields(&headers, &mut head.fields)?;
    }
    head.trailers = flag(message, &names.trailers)?;
    Ok(())
}

/// Header fields: any iterable of pairs of bytes; lists and tuples without an iterator.
fn read_fields(headers: &Bound<'_, PyAny>, fields: &mut Fields) -> PyResult<()> {
    if let Ok(list) = headers.cast::<PyList>() {
        for pair in list {
            read_pair(&pair, fields)?;
        }
        return Ok(());
    }
    let pairs = headers.try_iter().map_err(|_| wrong("headers", "an iterable of pairs of bytes", headers))?;
    for pair in pairs {
        read_pair(&pair?, fields)?;
    }
    Ok(())
}

fn read_pair(pair: &Bound<'_, PyAny>, fields: &mut Fields) -> PyResult<()> {
    let (name, value) = if let Ok(tuple) = pair.cast::<PyTuple>()
        && tuple.len() == 2
    {
        (tuple.get_item(0)?, tuple.get_item(1)?)
    } else {
        pair.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()
            .or_else(|_| pair.extract::<[Bound<'_, PyAny>; 2]>().map(|[name, value]| (name, value)))
            .map_err(|_| wrong("headers", "an iterable of pairs of bytes, where one item", pair))?
    };
    if let (Ok(name), Ok(value)) = (name.cast::<PyBytes>(), value.cast::<PyBytes>()) {
        fields.push(name.as_bytes(), value.as_bytes());
        return Ok(());
    }
    let name = with_bytes(&name, "headers", <[u8]>::to_vec)?;
    with_bytes(&value, "headers", |value| fields.push(&name, value))
}

/// Calls `with` with the bytes of anything bytes-like.
fn with_bytes<R>(value: &Bound<'_, PyAny>, key: &str, with: impl FnOnce(&[u8]) -> R) -> PyResult<R> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(with(bytes.as_bytes()));
    }
    if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        let copy = value.py().get_type::<PyBytes>().call1((value,))?.cast_into::<PyBytes>()?;
        return Ok(with(copy.as_bytes()));
    }
    Err(wrong(key, "bytes", value))
}

fn flag(message: &Bound<'_, PyDict>, name: &Py<PyString>) -> PyResult<bool> {
    match message.get_item(name)? {
        Some(value) => value.is_truthy(),
        None => Ok(false),
    }
}

fn required<'py>(message: &Bound<'py, PyDict>, name: &Py<PyString>) -> PyResult<Bound<'py, PyAny>> {
    message.get_item(name)?.ok_or_else(|| PyValueError::new_err(format!("the message has no '{name}'")))
}

fn wrong(key: &str, expected: &str, got: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("'{key}' must be {expected}, got {}", kind_of(got)))
}

/// A value's type, for a message.
pub(super) fn kind_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().qualname().map_or_else(|_| "something else".to_owned(), |name| name.to_string())
}

//! Reads applications' messages, key by key, into the contract's types. Every fault names its key.

use bytes::Bytes;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyMemoryView, PyString, PyTuple};

use crate::{Fields, Payload, SendError};

use super::asyncio::attached;
use super::entries::Entries;
use super::names::Names;

/// From this size on a body's bytes object is kept rather than copied.
const KEEP_FROM: usize = 16 * 1024;

/// The Python exception for a refused message.
pub(super) fn raise(error: SendError) -> PyErr {
    let text = error.to_string();
    match error {
        SendError::Disconnected | SendError::File { .. } => PyOSError::new_err(text),
        SendError::Status(_)
        | SendError::FieldName(_)
        | SendError::FieldValue { .. }
        | SendError::TooManyFields
        | SendError::ContentLength
        | SendError::TransferEncoding
        | SendError::TrailerName(_)
        | SendError::Subprotocol(_)
        | SendError::CloseCode(_)
        | SendError::CloseReason(_) => PyValueError::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}

/// Calls `send` with a piece of data, uncopied if it is large.
pub(super) fn send_body<R>(body: &Bound<'_, PyAny>, send: impl FnOnce(Payload<'_>) -> R) -> PyResult<R> {
    // Exactly bytes: dropping an object of a subclass could run application code in mid-write.
    if let Ok(bytes) = body.cast_exact::<PyBytes>()
        && bytes.as_bytes().len() >= KEEP_FROM
    {
        let kept = Bytes::from_owner(KeptBytes { bytes: bytes.clone().unbind() });
        return Ok(send(Payload::Shared(kept)));
    }
    with_bytes(body, "body", |bytes| send(Payload::Borrowed(bytes)))
}

/// A bytes object that waits to be written. Created, used and dropped on its worker's thread, attached.
struct KeptBytes {
    bytes: Py<PyBytes>,
}

impl AsRef<[u8]> for KeptBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_bytes(attached())
    }
}

pub(super) fn read_head(
    names: &Names,
    message: &mut Entries<'_, '_>,
    head: &mut crate::ResponseHead,
) -> PyResult<()> {
    let status = required(message, &names.status)?;
    let number: i64 = status.extract().map_err(|_| wrong("status", "an int", &status))?;
    head.status = u16::try_from(number).map_err(|_| raise(SendError::Status(number)))?;
    head.fields.clear();
    if let Some(headers) = message.take(&names.headers)? {
        read_fields(&headers, &mut head.fields)?;
    }
    head.trailers = flag(message, &names.trailers)?;
    Ok(())
}

/// Header fields: any iterable of pairs of bytes; lists and tuples without an iterator.
pub(super) fn read_fields(headers: &Bound<'_, PyAny>, fields: &mut Fields) -> PyResult<()> {
    if let Ok(list) = headers.cast::<PyList>() {
        // Without a GIL an iterator would lock the list for each item, and may be shared by threads.
        let mut at = 0;
        while at < list.len() {
            // Another thread may have shortened the list.
            let Ok(pair) = list.get_item(at) else { break };
            read_pair(&pair, fields)?;
            at += 1;
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
    if let Ok(tuple) = pair.cast::<PyTuple>()
        && let [name, value] = tuple.as_slice()
    {
        return push_pair(name, value, fields);
    }
    // PyO3's conversion of sequences keeps `collections.abc.Sequence` of one interpreter in a static.
    // SAFETY: attached; a new reference or null.
    let tuple = unsafe {
        match ffi::PySequence_Check(pair.as_ptr()) {
            0 => None,
            _ => Bound::from_owned_ptr_or_err(pair.py(), ffi::PySequence_Tuple(pair.as_ptr())).ok(),
        }
    };
    match tuple.as_ref().and_then(|tuple| tuple.cast::<PyTuple>().ok()).map(|tuple| tuple.as_slice()) {
        Some([name, value]) => push_pair(name, value, fields),
        _ => Err(wrong("headers", "an iterable of pairs of bytes, where one item", pair)),
    }
}

fn push_pair(name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>, fields: &mut Fields) -> PyResult<()> {
    if let (Ok(name), Ok(value)) = (name.cast::<PyBytes>(), value.cast::<PyBytes>()) {
        fields.push(name.as_bytes(), value.as_bytes());
        return Ok(());
    }
    let name = with_bytes(name, "headers", <[u8]>::to_vec)?;
    with_bytes(value, "headers", |value| fields.push(&name, value))
}

/// Calls `with` with the bytes of anything bytes-like.
pub(super) fn with_bytes<R>(
    value: &Bound<'_, PyAny>,
    key: &str,
    with: impl FnOnce(&[u8]) -> R,
) -> PyResult<R> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(with(bytes.as_bytes()));
    }
    if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        let copy = value.py().get_type::<PyBytes>().call1((value,))?.cast_into::<PyBytes>()?;
        return Ok(with(copy.as_bytes()));
    }
    Err(wrong(key, "bytes", value))
}

pub(super) fn flag(message: &mut Entries<'_, '_>, name: &Py<PyString>) -> PyResult<bool> {
    match message.take(name)? {
        Some(value) => value.is_truthy(),
        None => Ok(false),
    }
}

pub(super) fn required<'py>(
    message: &mut Entries<'_, 'py>,
    name: &Py<PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    message.take(name)?.ok_or_else(|| PyValueError::new_err(format!("the message has no '{name}'")))
}

pub(super) fn wrong(key: &str, expected: &str, got: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("'{key}' must be {expected}, got {}", kind_of(got)))
}

/// A value's type, for a message.
pub(super) fn kind_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().qualname().map_or_else(|_| "something else".to_owned(), |name| name.to_string())
}

//! The hot methods of stream transports: reading when a socket is ready, and writing at once.
//!
//! The type is a subclass of asyncio's transport of sockets. Attributes of it that the hot methods need are members of the type, which
//! asyncio's code sets as any other attribute. Whatever is not plain sailing is left to asyncio's methods.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::io;
use std::mem::offset_of;
use std::sync::OnceLock;

use nix::libc;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::errors;
use super::instance::{caught, core_of, none};
use super::kinds::Names;
use super::layout::{self, field};
use crate::python::slots::{Methods, method_noargs, method_o, slot};

/// The most bytes of one read, as asyncio has it.
const LARGEST_READ: usize = 256 * 1024;

/// The members, behind those of asyncio's class. The collector and the destructor that CPython gives to subclasses know them.
#[repr(C)]
struct Members {
    protocol: *mut ffi::PyObject,
    /// What could not be written yet.
    buffer: *mut ffi::PyObject,
    /// Who waits until all is written, while a file is sent.
    empty_waiter: *mut ffi::PyObject,
    /// Not zero once the connection is lost.
    conn_lost: ffi::Py_ssize_t,
    fd: c_int,
    eof: c_char,
    /// The protocol is an `asyncio.BufferedProtocol`.
    buffered: c_char,
}

/// Where an instance keeps things, in bytes. The same in every interpreter.
struct Places {
    members: usize,
    event_loop: usize,
}

static PLACES: OnceLock<Places> = OnceLock::new();

/// Makes the type, a subclass of `asyncio.selector_events._SelectorSocketTransport`, in the current interpreter.
pub(super) fn make<'py>(base: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: `base` is a class.
    let start = unsafe { (*base.as_ptr().cast::<ffi::PyTypeObject>()).tp_basicsize } as usize;
    let start = start.next_multiple_of(align_of::<Members>());
    let event_loop = layout::offset(base, c"_loop")?;
    let _ = PLACES.set(Places { members: start, event_loop });
    let member = |name: &'static std::ffi::CStr, type_code, offset| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code,
        offset: (start + offset) as ffi::Py_ssize_t,
        flags: 0,
        doc: std::ptr::null(),
    };
    let mut members = [
        member(c"_protocol", ffi::Py_T_OBJECT_EX, offset_of!(Members, protocol)),
        member(c"_buffer", ffi::Py_T_OBJECT_EX, offset_of!(Members, buffer)),
        member(c"_empty_waiter", ffi::Py_T_OBJECT_EX, offset_of!(Members, empty_waiter)),
        member(c"_conn_lost", ffi::Py_T_PYSSIZET, offset_of!(Members, conn_lost)),
        member(c"_sock_fd", ffi::Py_T_INT, offset_of!(Members, fd)),
        member(c"_eof", ffi::Py_T_BOOL, offset_of!(Members, eof)),
        member(c"_buffered", ffi::Py_T_BOOL, offset_of!(Members, buffered)),
        // SAFETY: an all-zero member is the list's end.
        unsafe { std::mem::zeroed() },
    ];
    let mut slots = [
        METHODS.slot(),
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast::<c_void>()),
        slot(0, std::ptr::null_mut()),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"pounce._SocketTransport".as_ptr(),
        basicsize: (start + size_of::<Members>()) as c_int,
        itemsize: 0,
        // Without the flag of collected types, it inherits the flag and the functions of its base.
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE) as c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: attached; CPython copies what it keeps of spec and members.
    unsafe {
        let made = ffi::PyType_FromSpecWithBases(&mut spec, base.as_ptr());
        Bound::from_owned_ptr_or_err(base.py(), made)
    }
}

static METHODS: Methods<3> = Methods([
    method_noargs(c"_read_ready", read_ready),
    method_o(c"write", write),
    ffi::PyMethodDef::zeroed(),
]);

/// # Safety
/// `transport` is an instance of the type.
unsafe fn members<'a>(transport: *mut ffi::PyObject) -> &'a Members {
    let places = PLACES.get().expect("there is a transport, so there is its type");
    // SAFETY: by contract, the members are at this place.
    unsafe { &*transport.byte_add(places.members).cast::<Members>() }
}

/// The names of the transport's loop; `None` once it has none.
///
/// # Safety
/// Attached; `transport` is an instance of the type, and its loop is alive for as long as the result is used.
unsafe fn names<'a>(transport: *mut ffi::PyObject) -> Option<&'a Names> {
    let places = PLACES.get()?;
    // SAFETY: by contract, the loop is at this place.
    unsafe { core_of(*field(transport, places.event_loop)).map(|core| &core.kinds().names) }
}

thread_local! {
    /// Where reads go before it is known how much they bring.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads once, and hands what came to the protocol.
unsafe extern "C" fn read_ready(transport: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an instance of the type.
    caught(|py| unsafe {
        let members = members(transport);
        let protocol = members.protocol;
        if members.conn_lost != 0 || protocol.is_null() || protocol == ffi::Py_None() {
            return none(py);
        }
        let Some(names) = names(transport) else { return none(py) };
        let protocol = Bound::from_borrowed_ptr(py, protocol);
        let transport = Bound::from_borrowed_ptr(py, transport);
        match members.buffered {
            0 => read_bytes(&transport, &protocol, names, members.fd),
            _ => read_into_buffer(&transport, &protocol, names, members.fd),
        }?;
        none(py)
    })
}

/// Reads for a `Protocol`.
fn read_bytes(
    transport: &Bound<'_, PyAny>,
    protocol: &Bound<'_, PyAny>,
    names: &Names,
    fd: c_int,
) -> PyResult<()> {
    let py = transport.py();
    let read = SCRATCH.with_borrow_mut(|scratch| {
        if scratch.is_empty() {
            scratch.resize(LARGEST_READ, 0);
        }
        let count = receive(fd, scratch.as_mut_ptr(), scratch.len())?;
        // SAFETY: attached; so many bytes have been read.
        Ok((count, unsafe {
            ffi::PyBytes_FromStringAndSize(scratch.as_ptr().cast(), count as ffi::Py_ssize_t)
        }))
    });
    let data = match read {
        // SAFETY: a new reference, or null with an exception set.
        Ok((count, data)) => (count, unsafe { Bound::from_owned_ptr_or_err(py, data)? }),
        Err(error) => return read_failed(transport, &error),
    };
    match data {
        (0, _) => on_eof(transport),
        (_, data) => {
            let called = call(protocol, &names.data_received, data.as_ptr());
            failed_protocol(transport, called, "Fatal error: protocol.data_received() call failed.")
        }
    }
}

/// Reads for a `BufferedProtocol`.
fn read_into_buffer(
    transport: &Bound<'_, PyAny>,
    protocol: &Bound<'_, PyAny>,
    names: &Names,
    fd: c_int,
) -> PyResult<()> {
    let py = transport.py();
    const MESSAGE: &str = "Fatal error: protocol.get_buffer() call failed.";
    // SAFETY: attached. The view is released before anything else runs.
    let read = unsafe {
        let hint = Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromLong(-1))?;
        let buffer = call(protocol, &names.get_buffer, hint.as_ptr());
        if buffer.is_null() {
            return failed_protocol(transport, buffer, MESSAGE);
        }
        let buffer = Bound::from_owned_ptr(py, buffer);
        let mut view: ffi::Py_buffer = std::mem::zeroed();
        if ffi::PyObject_GetBuffer(buffer.as_ptr(), &mut view, ffi::PyBUF_WRITABLE) != 0 {
            return failed_protocol(transport, std::ptr::null_mut(), MESSAGE);
        }
        let read = (view.len > 0).then(|| receive(fd, view.buf.cast(), view.len as usize));
        ffi::PyBuffer_Release(&mut view);
        read
    };
    match read {
        None => {
            // SAFETY: attached, and the class is always there.
            unsafe {
                let text = c"get_buffer() returned an empty buffer";
                ffi::PyErr_SetString(ffi::PyExc_RuntimeError, text.as_ptr());
            }
            failed_protocol(transport, std::ptr::null_mut(), MESSAGE)
        }
        Some(Err(error)) => read_failed(transport, &error),
        Some(Ok(0)) => on_eof(transport),
        Some(Ok(count)) => {
            // SAFETY: attached.
            let count = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromSize_t(count))? };
            let called = call(protocol, &names.buffer_updated, count.as_ptr());
            failed_protocol(transport, called, "Fatal error: protocol.buffer_updated() call failed.")
        }
    }
}

fn receive(fd: c_int, to: *mut u8, length: usize) -> io::Result<usize> {
    // SAFETY: the caller owns so many bytes.
    let count = unsafe { libc::recv(fd, to.cast(), length, 0) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

fn read_failed(transport: &Bound<'_, PyAny>, error: &io::Error) -> PyResult<()> {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
        return Ok(());
    }
    let py = transport.py();
    errors::os(py, error).restore(py);
    let error = errors::take(py)?;
    fatal_error(transport, &error, "Fatal read error on socket transport")
}

/// Ends the connection if a method of its protocol raised: `called` is what it returned, which is dropped, or null.
fn failed_protocol(transport: &Bound<'_, PyAny>, called: *mut ffi::PyObject, message: &str) -> PyResult<()> {
    let py = transport.py();
    // SAFETY: attached; an owned reference, or null with an exception set.
    unsafe {
        if !called.is_null() {
            ffi::Py_DECREF(called);
            return Ok(());
        }
    }
    let error = errors::take_of_callback(py)?;
    fatal_error(transport, &error, message)
}

/// Calls a method with one argument. Null with an exception set if it raised.
fn call(object: &Bound<'_, PyAny>, name: &Py<PyString>, argument: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let arguments = [object.as_ptr(), argument];
    // SAFETY: attached, and all are alive.
    unsafe {
        ffi::PyObject_VectorcallMethod(
            name.as_ptr(),
            arguments.as_ptr(),
            arguments.len(),
            std::ptr::null_mut(),
        )
    }
}

/// Writes at once what the socket takes; asyncio's method does the rest, and everything else.
unsafe extern "C" fn write(transport: *mut ffi::PyObject, data: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an instance of the type and any object.
    caught(|py| unsafe {
        let sent =
            if can_write(members(transport)) { send(members(transport).fd, data) } else { Sent::Nothing };
        let transport = Bound::from_borrowed_ptr(py, transport);
        let data = Bound::from_borrowed_ptr(py, data);
        match sent {
            Sent::All => none(py),
            Sent::Nothing => Ok(write_rest(&transport, &data)?.into_ptr()),
            Sent::Part(count) => {
                let rest = Bound::from_owned_ptr_or_err(py, ffi::PyMemoryView_FromObject(data.as_ptr()))?;
                let rest = Bound::from_owned_ptr_or_err(
                    py,
                    ffi::PySequence_GetSlice(rest.as_ptr(), count as ffi::Py_ssize_t, ffi::Py_ssize_t::MAX),
                )?;
                Ok(write_rest(&transport, &rest)?.into_ptr())
            }
        }
    })
}

// The cache of types keeps each name that it sees: names are interned.

fn write_rest<'py>(transport: &Bound<'py, PyAny>, rest: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    transport.call_method1(PyString::intern(transport.py(), "_write_rest"), (rest,))
}

fn fatal_error(transport: &Bound<'_, PyAny>, error: &Bound<'_, PyAny>, message: &str) -> PyResult<()> {
    transport.call_method1(PyString::intern(transport.py(), "_fatal_error"), (error, message)).map(drop)
}

fn on_eof(transport: &Bound<'_, PyAny>) -> PyResult<()> {
    transport.call_method0(PyString::intern(transport.py(), "_read_ready__on_eof")).map(drop)
}

/// Whether a write goes to the socket at once.
///
/// # Safety
/// Attached.
unsafe fn can_write(members: &Members) -> bool {
    // SAFETY: by contract; the objects are the transport's.
    unsafe {
        let is_free = members.empty_waiter.is_null() || members.empty_waiter == ffi::Py_None();
        let is_open = members.conn_lost == 0 && members.eof == 0;
        is_open && is_free && !members.buffer.is_null() && ffi::PyObject_Size(members.buffer) == 0
    }
}

enum Sent {
    All,
    /// So many bytes, which are fewer than all and more than none.
    Part(usize),
    /// Nothing, or it is unknown: asyncio's method will find out.
    Nothing,
}

/// Sends the bytes of an object, as many as the socket takes.
///
/// # Safety
/// Attached; the object is alive.
unsafe fn send(fd: c_int, data: *mut ffi::PyObject) -> Sent {
    let send = |bytes: *const c_void, length: usize| {
        if length == 0 {
            return Sent::Nothing;
        }
        // SAFETY: the caller has so many bytes.
        let count = unsafe { libc::send(fd, bytes, length, libc::MSG_NOSIGNAL) };
        match usize::try_from(count) {
            Ok(count) if count == length => Sent::All,
            Ok(count) if count > 0 => Sent::Part(count),
            _ => Sent::Nothing,
        }
    };
    // SAFETY: by contract. A view is released at once.
    unsafe {
        if ffi::PyBytes_CheckExact(data) != 0 {
            return send(ffi::PyBytes_AsString(data).cast(), ffi::Py_SIZE(data) as usize);
        }
        if ffi::PyByteArray_Check(data) == 0 && ffi::PyMemoryView_Check(data) == 0 {
            return Sent::Nothing;
        }
        let mut view: ffi::Py_buffer = std::mem::zeroed();
        // Not of bytes one by one: asyncio's method counts items, or copies.
        if ffi::PyObject_GetBuffer(data, &mut view, ffi::PyBUF_SIMPLE) != 0 {
            ffi::PyErr_Clear();
            return Sent::Nothing;
        }
        let sent = if view.itemsize == 1 { send(view.buf, view.len as usize) } else { Sent::Nothing };
        ffi::PyBuffer_Release(&mut view);
        sent
    }
}

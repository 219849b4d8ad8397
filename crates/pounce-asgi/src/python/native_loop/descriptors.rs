//! The methods by which the loop's class watches descriptors.

use std::os::fd::RawFd;

use nix::errno::Errno;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::errors;
use super::instance::{caught, check_handle, core, none};
use super::watches::{Direction, Watch};

/// `_watch(descriptor, is_writer, handle)`: the handle that was there, or None.
pub(super) unsafe extern "C" fn watch(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above; so many arguments are there.
    caught(|py| unsafe {
        let core = core(object);
        let [fd, is_writer, handle] = *std::slice::from_raw_parts(arguments, count as usize) else {
            return Err(errors::wrong_type(py, "_watch() takes a descriptor, a flag and a handle"));
        };
        check_handle(py, core.kinds().asyncio_handle, handle)?;
        if core.is_elsewhere() {
            return Err(errors::elsewhere(py));
        }
        let fd = descriptor(py, fd)?;
        let set = {
            let poller = core.poller.borrow();
            let poller = poller.as_ref().ok_or_else(|| errors::closed(py))?;
            core.watches.borrow_mut().set(poller, fd, direction(is_writer), ffi::Py_NewRef(handle))
        };
        match set {
            Ok(replaced) => Ok(if replaced.is_null() { py.None().into_ptr() } else { replaced }),
            Err(error) => {
                ffi::Py_DECREF(handle);
                Err(errors::os(py, &error))
            }
        }
    })
}

/// `_unwatch(descriptor, is_writer)`: the handle that was there, or None.
pub(super) unsafe extern "C" fn unwatch(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        let [fd, is_writer] = *std::slice::from_raw_parts(arguments, count as usize) else {
            return Err(errors::wrong_type(py, "_unwatch() takes a descriptor and a flag"));
        };
        if core.is_elsewhere() {
            return Err(errors::elsewhere(py));
        }
        let fd = descriptor(py, fd)?;
        let removed = {
            let poller = core.poller.borrow();
            let Some(poller) = poller.as_ref() else { return none(py) };
            core.watches.borrow_mut().unset(poller, fd, direction(is_writer))
        };
        Ok(if removed.is_null() { py.None().into_ptr() } else { removed })
    })
}

/// A number of a descriptor.
///
/// # Safety
/// Attached; the object is alive.
unsafe fn descriptor(py: Python<'_>, number: *mut ffi::PyObject) -> PyResult<RawFd> {
    // SAFETY: by contract.
    let number = unsafe { ffi::PyLong_AsLong(number) };
    match (number == -1).then(|| PyErr::take(py)).flatten() {
        Some(error) => Err(error),
        None => RawFd::try_from(number).map_err(|_| errors::os(py, &std::io::Error::from(Errno::EBADF))),
    }
}

fn direction(is_writer: *mut ffi::PyObject) -> Direction {
    // SAFETY: the singleton is always there.
    if is_writer == unsafe { ffi::Py_True() } { Direction::Write } else { Direction::Read }
}

/// `_watch_signals(descriptor)`: says that this descriptor, which is watched as any other, tells of signals.
pub(super) unsafe extern "C" fn watch_signals(
    object: *mut ffi::PyObject,
    fd: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let fd = descriptor(py, fd)?;
        core(object).watches.borrow_mut().set_signals(fd);
        none(py)
    })
}

/// `_watched(descriptor)`: the handles of its reader and its writer, or None for each.
pub(super) unsafe extern "C" fn watched(
    object: *mut ffi::PyObject,
    fd: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let fd = descriptor(py, fd)?;
        let Watch { reader, writer } = core(object).watches.borrow().get(fd);
        let object = |handle| Bound::from_borrowed_ptr_or_opt(py, handle);
        Ok(PyTuple::new(py, [object(reader), object(writer)])?.into_any().into_ptr())
    })
}

pub(super) unsafe extern "C" fn watched_descriptors(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let descriptors: Vec<_> = core(object).watches.borrow().descriptors().collect();
        Ok(PyTuple::new(py, descriptors)?.into_any().into_ptr())
    })
}

//! A turn of the loop: `BaseEventLoop._run_once`.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;

use super::core::Core;
use super::errors;
use super::handle;
use super::layout;
use super::poller::Interest;
use super::watches::Direction;

/// From so many scheduled timers on, and if more than half of them are cancelled, all cancelled ones are dropped at once.
const MIN_SCHEDULED: usize = 100;

/// The longest wait (asyncio's MAXIMUM_SELECT_TIMEOUT), in seconds.
const LONGEST_WAIT: f64 = 24.0 * 3600.0;

/// How a turn gets events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Events {
    /// It waits for them if there is nothing to do.
    Wait,
    /// It takes those there are.
    Poll,
    /// It takes none.
    Ignore,
}

/// Takes a turn.
///
/// # Errors
/// What ends the loop: SystemExit, KeyboardInterrupt, and errors of the operating system.
///
/// # Safety
/// `event_loop` is the loop of `core`.
pub(super) unsafe fn turn(
    py: Python<'_>,
    event_loop: *mut ffi::PyObject,
    core: &Core,
    events: Events,
) -> PyResult<()> {
    core.take_sent();
    drop_cancelled_timers(core);
    if events != Events::Ignore {
        poll(py, event_loop, core, events)?;
        core.take_sent();
    }
    make_due_ready(py, event_loop, core)?;
    // SAFETY: by contract.
    unsafe { call_ready(py, event_loop, core) }
}

/// Calls the handles that are ready now.
///
/// # Errors
/// As for [`turn`].
///
/// # Safety
/// As for [`turn`].
pub(super) unsafe fn call_ready(py: Python<'_>, event_loop: *mut ffi::PyObject, core: &Core) -> PyResult<()> {
    let count = core.ready.borrow().len();
    for _ in 0..count {
        let Some(handle) = core.ready.borrow_mut().pop_front() else { break };
        // SAFETY: attached; the reference was the queue's, and is dropped once.
        unsafe {
            let ran = run(py, event_loop, core, handle);
            ffi::Py_DECREF(handle);
            ran?;
        }
    }
    Ok(())
}

/// Calls a handle that is ready.
///
/// # Safety
/// Attached; `handle` is alive.
#[inline]
unsafe fn run(
    py: Python<'_>,
    event_loop: *mut ffi::PyObject,
    core: &Core,
    handle: *mut ffi::PyObject,
) -> PyResult<()> {
    let kinds = core.kinds();
    // SAFETY: by contract.
    unsafe {
        if layout::is_cancelled(handle) {
            return Ok(());
        }
        if core.is_debug() {
            return call_method(py, event_loop, &kinds.names.run_debug, handle);
        }
        if !handle::is_plain(kinds, handle) {
            let handle = Bound::from_borrowed_ptr(py, handle);
            return handle.call_method0(&kinds.names.run).map(drop);
        }
        let may_be_cancelled = ffi::Py_TYPE(handle) == kinds.thread_safe && ffi::Py_REFCNT(handle) > 1;
        let result = match may_be_cancelled {
            true => core.running.during(handle, || handle::call(handle)),
            false => handle::call(handle),
        };
        if !result.is_null() {
            ffi::Py_DECREF(result);
            return Ok(());
        }
        let error = errors::take_of_callback(py)?;
        let event_loop = Bound::from_borrowed_ptr(py, event_loop);
        let handle = Bound::from_borrowed_ptr(py, handle);
        event_loop.call_method1(&kinds.names.report, (handle, error)).map(drop)
    }
}

unsafe fn call_method(
    py: Python<'_>,
    event_loop: *mut ffi::PyObject,
    name: &Py<pyo3::types::PyString>,
    argument: *mut ffi::PyObject,
) -> PyResult<()> {
    // SAFETY: attached, and both are alive.
    let (event_loop, argument) =
        unsafe { (Bound::from_borrowed_ptr(py, event_loop), Bound::from_borrowed_ptr(py, argument)) };
    event_loop.call_method1(name, (argument,)).map(drop)
}

/// A number as seconds.
pub(super) fn seconds(number: &Bound<'_, PyAny>) -> PyResult<f64> {
    // SAFETY: attached, and the object is alive.
    let seconds = unsafe { ffi::PyFloat_AsDouble(number.as_ptr()) };
    match seconds {
        -1.0 => PyErr::take(number.py()).map_or(Ok(seconds), Err),
        _ => Ok(seconds),
    }
}

/// The time on the loop's clock, which tools may have replaced.
pub(super) fn time(py: Python<'_>, event_loop: *mut ffi::PyObject, core: &Core) -> PyResult<f64> {
    // SAFETY: attached, and the loop is alive.
    let event_loop = unsafe { Bound::from_borrowed_ptr(py, event_loop) };
    seconds(&event_loop.call_method0(&core.kinds().names.time)?)
}

/// Drops timers that are cancelled: all of them where they are many, else those that would be due first.
fn drop_cancelled_timers(core: &Core) {
    let scheduled = core.timers.borrow().len();
    if scheduled == 0 {
        return;
    }
    // SAFETY: attached, as the loop runs; the references are the heap's, and each is dropped once, when nothing is borrowed.
    unsafe {
        if scheduled > MIN_SCHEDULED && core.cancelled_timers.load(Ordering::Relaxed) * 2 > scheduled {
            let all = core.timers.borrow_mut().take();
            let (cancelled, kept): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|timer| layout::is_cancelled(timer.handle));
            core.timers.borrow_mut().replace(kept);
            core.cancelled_timers.store(0, Ordering::Relaxed);
            for timer in cancelled {
                layout::set_scheduled(timer.handle, false);
                ffi::Py_DECREF(timer.handle);
            }
            return;
        }
        loop {
            let is_cancelled =
                core.timers.borrow().first().is_some_and(|timer| layout::is_cancelled(timer.handle));
            if !is_cancelled {
                return;
            }
            let counted = core.cancelled_timers.load(Ordering::Relaxed);
            core.cancelled_timers.store(counted.saturating_sub(1), Ordering::Relaxed);
            let Some(timer) = core.timers.borrow_mut().pop() else { return };
            layout::set_scheduled(timer.handle, false);
            ffi::Py_DECREF(timer.handle);
        }
    }
}

/// Makes the timers that are due ready.
fn make_due_ready(py: Python<'_>, event_loop: *mut ffi::PyObject, core: &Core) -> PyResult<()> {
    if core.timers.borrow().first().is_none() {
        return Ok(());
    }
    let now = time(py, event_loop, core)?;
    let mut timers = core.timers.borrow_mut();
    while timers.first().is_some_and(|timer| timer.when <= now) {
        let Some(timer) = timers.pop() else { break };
        // SAFETY: attached. The reference moves from the heap to the queue.
        unsafe { layout::set_scheduled(timer.handle, false) };
        core.ready.borrow_mut().push_back(timer.handle);
    }
    Ok(())
}

/// Takes events, and waits for them if there is nothing else to do.
fn poll(py: Python<'_>, event_loop: *mut ffi::PyObject, core: &Core, events: Events) -> PyResult<()> {
    let has_work = !core.ready.borrow().is_empty() || core.is_stopping();
    let has_timers = core.timers.borrow().first().is_some();
    let timeout = if has_work || events == Events::Poll {
        Some(0.0)
    } else if has_timers {
        let now = time(py, event_loop, core)?;
        core.timers.borrow().wakes_at(now).map(|when| (when - now).clamp(0.0, LONGEST_WAIT))
    } else {
        None
    };
    if events == Events::Wait && timeout == Some(0.0) && core.watches.borrow().is_empty() {
        return Ok(());
    }
    let timeout = timeout.map(Duration::from_secs_f64);
    if timeout == Some(Duration::ZERO) {
        return take_events(py, core, wait(core, timeout));
    }
    core.is_waiting.store(true, Ordering::SeqCst);
    let timeout = if core.has_sent() { Some(Duration::ZERO) } else { timeout };
    // SAFETY: attached; nothing Python is touched until the state is back.
    let waited = unsafe {
        let state = ffi::PyEval_SaveThread();
        let waited = wait(core, timeout);
        ffi::PyEval_RestoreThread(state);
        waited
    };
    core.is_waiting.store(false, Ordering::SeqCst);
    take_events(py, core, waited)
}

fn wait(core: &Core, timeout: Option<Duration>) -> io::Result<()> {
    // Borrowed as others may borrow it meanwhile: threads that watch descriptors.
    match &*core.poller.borrow() {
        Some(poller) => poller.wait(timeout),
        None => Ok(()),
    }
}

/// Makes the handles of descriptors that are ready, ready.
fn take_events(py: Python<'_>, core: &Core, waited: io::Result<()>) -> PyResult<()> {
    match waited {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return py.check_signals(),
        Err(error) => return Err(errors::os(py, &error)),
    }
    let mut stale = Vec::new();
    {
        let poller = core.poller.borrow();
        let Some(poller) = &*poller else { return Ok(()) };
        let mut watches = core.watches.borrow_mut();
        for at in 0..poller.count() {
            let Some((fd, Interest { read, write })) = poller.event(at) else { continue };
            let watch = watches.get(fd);
            let ready = [(Direction::Read, read, watch.reader), (Direction::Write, write, watch.writer)];
            for (direction, is_ready, handle) in ready {
                if !is_ready || handle.is_null() {
                    continue;
                }
                // SAFETY: attached; the handle is the watch's.
                unsafe {
                    if layout::is_cancelled(handle) {
                        stale.push(watches.unset(poller, fd, direction));
                    } else {
                        core.ready.borrow_mut().push_back(ffi::Py_NewRef(handle));
                    }
                }
            }
        }
    }
    for handle in stale {
        // SAFETY: attached; the watch has given the reference up.
        unsafe { ffi::Py_DECREF(handle) };
    }
    Ok(())
}

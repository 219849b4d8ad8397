//! The state of a loop: what is ready, what is scheduled, what is watched, and what other threads have sent.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use pyo3::ffi;

use super::background;
use super::handle::Free;
use super::kinds::Kinds;
use super::layout::{self, field, layout};
use super::poller::{self, Poller};
use super::running::Running;
use super::timers::{Timer, Timers};
use super::watches::Watches;

/// The state of a loop. Its own thread uses it, and others while that thread does not run Python; all may call
/// [`send`](Self::send), and without a GIL [`push`](Self::push) and [`schedule`](Self::schedule) as well. No
/// borrow of a field lasts while Python code may run, which dropping a reference can.
pub(super) struct Core {
    pub(super) kinds: *const Kinds,
    /// The handles to call, in order. Owned references.
    pub(super) ready: RefCell<VecDeque<*mut ffi::PyObject>>,
    pub(super) timers: RefCell<Timers>,
    /// How many of the scheduled timers are cancelled.
    pub(super) cancelled_timers: AtomicUsize,
    pub(super) watches: RefCell<Watches>,
    /// None once the loop is closed.
    pub(super) poller: RefCell<Option<Poller>>,
    pub(super) free: UnsafeCell<Free>,
    pub(super) stopping: AtomicBool,
    pub(super) closed: AtomicBool,
    pub(super) debug: AtomicBool,
    /// Python's identifier of the thread that runs the loop, or null. An owned reference.
    pub(super) thread: Cell<*mut ffi::PyObject>,
    /// The number of that thread, 0 if none runs the loop.
    pub(super) running_on: AtomicUsize,
    inbox: Mutex<Vec<Sent>>,
    has_sent: AtomicBool,
    /// Whether the loop waits, or is about to.
    pub(super) is_waiting: AtomicBool,
    alarm: Mutex<Alarm>,
    /// Whether a server's runtime drives the loop.
    pub(super) is_hosted: AtomicBool,
    pub(super) aside: Cell<Aside>,
    pub(super) running: Running,
}

/// Whether the next handle that is made ready is set aside instead.
#[derive(Clone, Copy)]
pub(super) enum Aside {
    No,
    Next,
    /// It was. An owned reference.
    Taken(*mut ffi::PyObject),
}

/// What ends the loop's wait.
pub(super) enum Alarm {
    /// The loop's own wait, by the poller's eventfd.
    Poller(OwnedFd),
    /// The wait of the runtime that drives the loop.
    Runtime(Waker),
    /// The loop is closed.
    Off,
}

/// A handle that another thread has made, ready or due at a time. An owned reference.
struct Sent(*mut ffi::PyObject, Option<f64>);

// SAFETY: the reference is owned, and used attached.
unsafe impl Send for Sent {}

impl Core {
    pub(super) fn new(kinds: *const Kinds, poller: Poller) -> io::Result<Self> {
        let waker = poller.waker().map(|waker| waker.try_clone_to_owned()).transpose()?;
        let alarm = waker.map_or(Alarm::Off, Alarm::Poller);
        Ok(Self {
            kinds,
            ready: RefCell::default(),
            timers: RefCell::default(),
            cancelled_timers: AtomicUsize::new(0),
            watches: RefCell::default(),
            poller: RefCell::new(Some(poller)),
            free: UnsafeCell::default(),
            stopping: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            debug: AtomicBool::new(false),
            thread: Cell::new(std::ptr::null_mut()),
            running_on: 0.into(),
            inbox: Mutex::default(),
            has_sent: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            alarm: Mutex::new(alarm),
            is_hosted: AtomicBool::new(false),
            aside: Cell::new(Aside::No),
            running: Running::default(),
        })
    }

    pub(super) fn set_alarm(&self, alarm: Alarm) {
        *self.alarm.lock().unwrap_or_else(PoisonError::into_inner) = alarm;
    }

    pub(super) fn is_debug(&self) -> bool {
        self.debug.load(Ordering::Relaxed)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(super) fn kinds(&self) -> &Kinds {
        // SAFETY: they live as long as the interpreter.
        unsafe { &*self.kinds }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Adds a handle, whose reference is taken over, to what is ready. On the loop's thread.
    #[inline]
    pub(super) fn push(&self, handle: *mut ffi::PyObject) {
        if self.may_be_used() {
            self.put(Sent(handle, None));
            return;
        }
        if let Aside::Next = self.aside.get() {
            self.aside.set(Aside::Taken(handle));
            return;
        }
        self.take_sent();
        self.ready.borrow_mut().push_back(handle);
    }

    /// Adds a handle, whose reference is taken over, to what is ready, and wakes the loop. On any thread, attached.
    pub(super) fn send(&self, handle: *mut ffi::PyObject) {
        let running_on = self.running_on.load(Ordering::Relaxed);
        if running_on == thread_number() {
            self.push(handle);
            return;
        }
        if running_on != 0 && self.is_hosted.load(Ordering::Relaxed) {
            background::join();
        }
        self.put(Sent(handle, None));
        self.wake();
    }

    fn put(&self, sent: Sent) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.push(sent);
        self.has_sent.store(true, Ordering::SeqCst);
    }

    /// Whether this is not the thread that runs the loop, so that another may use it at this moment. Never so where a GIL keeps
    /// others from it.
    #[inline]
    fn may_be_used(&self) -> bool {
        cfg!(Py_GIL_DISABLED) && self.running_on.load(Ordering::Relaxed) != thread_number()
    }

    /// Whether another thread runs the loop, without a GIL.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.may_be_used() && self.running_on.load(Ordering::Relaxed) != 0
    }

    /// Wakes the loop if it waits. Several calls before it wakes cost one system call.
    pub(super) fn wake(&self) {
        if !self.is_waiting.swap(false, Ordering::SeqCst) {
            return;
        }
        match &*self.alarm.lock().unwrap_or_else(PoisonError::into_inner) {
            Alarm::Poller(waker) => poller::wake(waker.as_fd()),
            Alarm::Runtime(waker) => waker.wake_by_ref(),
            Alarm::Off => {}
        }
    }

    /// Whether other threads have sent handles that are not ready yet.
    pub(super) fn has_sent(&self) -> bool {
        self.has_sent.load(Ordering::SeqCst)
    }

    /// Makes what other threads have sent ready.
    #[inline]
    pub(super) fn take_sent(&self) {
        if !self.has_sent() {
            return;
        }
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        self.has_sent.store(false, Ordering::SeqCst);
        for Sent(handle, when) in inbox.drain(..) {
            match when {
                Some(when) => self.timers.borrow_mut().push(Timer { when, handle }),
                None => self.ready.borrow_mut().push_back(handle),
            }
        }
    }

    /// Schedules a timer, whose reference is taken over.
    ///
    /// # Safety
    /// Attached; `timer` is an instance of `asyncio.TimerHandle`.
    pub(super) unsafe fn schedule(&self, when: f64, timer: *mut ffi::PyObject) {
        // SAFETY: by contract.
        unsafe { layout::set_scheduled(timer, true) };
        if self.may_be_used() {
            self.put(Sent(timer, Some(when)));
            return;
        }
        self.timers.borrow_mut().push(Timer { when, handle: timer });
    }

    /// Counts a timer that is about to be cancelled.
    ///
    /// # Safety
    /// Attached; `timer` is an instance of `asyncio.TimerHandle`.
    pub(super) unsafe fn note_cancelled_timer(&self, timer: *mut ffi::PyObject) {
        // SAFETY: by contract.
        let scheduled = unsafe { *field(timer, layout().scheduled) == ffi::Py_True() };
        if scheduled {
            self.cancelled_timers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All references that the loop owns, given up.
    ///
    /// # Safety
    /// Attached.
    pub(super) unsafe fn take_all(&self) -> Vec<*mut ffi::PyObject> {
        self.take_sent();
        let mut all: Vec<_> = self.ready.borrow_mut().drain(..).collect();
        all.extend(self.timers.borrow_mut().take().into_iter().map(|timer| timer.handle));
        self.cancelled_timers.store(0, Ordering::Relaxed);
        all.extend(self.watches.borrow_mut().take());
        all
    }

    /// Shows each reference that the loop owns.
    pub(super) fn each(&self, mut visit: impl FnMut(*mut ffi::PyObject) -> c_int) -> c_int {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let (ready, timers, watches) = (self.ready.borrow(), self.timers.borrow(), self.watches.borrow());
        let sent = inbox.iter().map(|sent| sent.0);
        let all = ready.iter().copied().chain(timers.iter().map(|timer| timer.handle)).chain(sent);
        for object in all.chain(watches.iter()) {
            let stop = visit(object);
            if stop != 0 {
                return stop;
            }
        }
        0
    }
}

/// A number for this thread, which no other has meanwhile.
#[inline]
pub(super) fn thread_number() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here) as usize)
}

//! The thread of a loop, which owns the values in the Python objects of the bridge: it alone drops them, and uses the
//! objects' memory again.

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::ffi;

/// The most objects whose memory a pool keeps.
const MOST: usize = 64;

/// The types whose objects leave their memory to others. The collector looks into all of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    Receive,
    Send,
    Coroutine,
    AppCoroutine,
}

/// The thread that made the types of a loop.
pub(super) struct Owner {
    thread: usize,
    /// Values whose objects died on another thread. None when the loop is gone: from then on values are not dropped.
    deferred: Mutex<Option<Vec<Deferred>>>,
    /// Whether the loop is gone. Set by the loop's thread alone.
    closed: AtomicBool,
    /// Memory of objects that died on this thread, by type.
    pools: UnsafeCell<[Vec<*mut ffi::PyObject>; 4]>,
}

struct Deferred(#[allow(dead_code)] Box<dyn std::any::Any>);

// SAFETY: a deferred value is only moved; it is looked at and dropped by its own thread alone, in `drop_deferred`.
unsafe impl Send for Deferred {}

// SAFETY: the pools are used by the loop's thread alone; all else is shared by a lock or atomically.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

impl Owner {
    /// This thread.
    pub(super) fn this_thread() -> Self {
        Self {
            thread: thread_token(),
            deferred: Mutex::new(Some(Vec::new())),
            closed: AtomicBool::new(false),
            pools: UnsafeCell::default(),
        }
    }

    /// Whether it is this thread, and its loop is there.
    pub(super) fn is_here(&self) -> bool {
        self.thread == thread_token() && !self.closed.load(Ordering::Relaxed)
    }

    /// Keeps a value whose object died on another thread until its own looks.
    pub(super) fn defer_drop<T: 'static>(&self, value: T) {
        match &mut *self.lock() {
            Some(deferred) => deferred.push(Deferred(Box::new(value))),
            // The loop is gone, and the interpreter may be going. What the value refers to goes with them; dropping
            // it now would need both.
            None => std::mem::forget(value),
        }
    }

    /// Drops what was deferred. On the loop's thread, attached.
    pub(super) fn drop_deferred(&self) {
        let deferred = self.lock().as_mut().map(std::mem::take);
        drop(deferred);
    }

    /// The loop is gone. On its thread, attached.
    pub(super) fn close(&self) {
        let deferred = self.lock().take();
        drop(deferred);
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Empties the pools. On the loop's thread.
    pub(super) fn take_all_memory(&self) -> Vec<*mut ffi::PyObject> {
        // SAFETY: this is the loop's thread, and nothing else runs before the borrow ends.
        unsafe { &mut *self.pools.get() }.iter_mut().flat_map(std::mem::take).collect()
    }

    /// Takes memory out of a pool, if there is any and this is the loop's thread.
    pub(super) fn take_memory(&self, pool: Pool) -> Option<*mut ffi::PyObject> {
        if !self.is_here() {
            return None;
        }
        // SAFETY: this is the loop's thread, and nothing else runs before the borrow ends.
        unsafe { (&mut *self.pools.get())[pool as usize].pop() }
    }

    /// Puts memory into a pool. False if it is full, or this is not the loop's thread.
    pub(super) fn keep_memory(&self, pool: Pool, memory: *mut ffi::PyObject) -> bool {
        // Where threads run side by side the collector finds objects by looking through all memory.
        if cfg!(Py_GIL_DISABLED) || !self.is_here() {
            return false;
        }
        // SAFETY: this is the loop's thread, and nothing else runs before the borrow ends.
        let pool = unsafe { &mut (&mut *self.pools.get())[pool as usize] };
        let has_room = pool.len() < MOST;
        if has_room {
            pool.push(memory);
        }
        has_room
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Deferred>>> {
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells threads apart. A number is never used again, unlike an address or a thread's identifier: an object
/// that has outlived its thread belongs to nobody.
fn thread_token() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    thread_local!(static TOKEN: Cell<usize> = const { Cell::new(0) });
    match TOKEN.get() {
        0 => {
            let token = NEXT.fetch_add(1, Ordering::Relaxed);
            TOKEN.set(token);
            token
        }
        token => token,
    }
}

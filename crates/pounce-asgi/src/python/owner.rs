//! The thread of a loop, which owns the values in the Python objects of the bridge: it alone drops them and reuses the
//! objects' memory.

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::ffi;

/// The most objects whose memory a pool keeps.
const MOST: usize = 64;

/// The types whose objects' memory is reused. All of them are collected types.
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
    /// Values whose objects died on another thread. None once the loop has ended: from then on values are not dropped.
    deferred: Mutex<Option<Vec<Deferred>>>,
    /// Whether the loop has ended. Only the loop's thread sets it.
    closed: AtomicBool,
    /// Memory of objects that died on this thread, by type.
    pools: UnsafeCell<[Vec<*mut ffi::PyObject>; 4]>,
}

struct Deferred(#[allow(dead_code)] Box<dyn std::any::Any>);

// SAFETY: other threads only move a deferred value; its own thread alone reads and drops it, in `drop_deferred`.
unsafe impl Send for Deferred {}

// SAFETY: only the loop's thread uses the pools; all other fields are atomic or behind a lock.
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

    /// Whether this thread is the owner and its loop has not ended.
    pub(super) fn is_here(&self) -> bool {
        self.thread == thread_token() && !self.closed.load(Ordering::Relaxed)
    }

    /// Keeps a value whose object died on another thread until the owner drops it.
    pub(super) fn defer_drop<T: 'static>(&self, value: T) {
        match &mut *self.lock() {
            Some(deferred) => deferred.push(Deferred(Box::new(value))),
            // The loop has ended, and the interpreter may be ending. They free the value's references; dropping the
            // value now would need both.
            None => std::mem::forget(value),
        }
    }

    /// Drops the deferred values. On the loop's thread, attached.
    pub(super) fn drop_deferred(&self) {
        let deferred = self.lock().as_mut().map(std::mem::take);
        drop(deferred);
    }

    /// The loop has ended. On its thread, attached.
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
        // Free-threaded Python's collector finds objects by walking the heap, pooled memory included.
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

/// A number that identifies this thread. It is never reused, unlike an address or a thread's identifier: an object
/// that has outlived its thread belongs to no other.
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

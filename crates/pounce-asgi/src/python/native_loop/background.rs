//! Threads that report to a server's loop, such as those of pools, in the kernel's scheduler.
//!
//! A thread that gets a call wakes at once and preempts the loop's thread, only to wait for the GIL, which that thread holds:
//! two switches for nothing, for each call. As SCHED_BATCH it waits for its turn (sched(7)).

use std::cell::Cell;

use nix::libc;

/// Marks the calling thread, once. Not if the application has chosen a policy for it. Threads and processes that it starts
/// inherit the mark.
pub(super) fn join() {
    thread_local!(static HAS_JOINED: Cell<bool> = const { Cell::new(false) });
    if cfg!(Py_GIL_DISABLED) || HAS_JOINED.replace(true) {
        return;
    }
    // SAFETY: the parameters are a plain C structure, valid for the call; 0 is the calling thread. Without this policy, as
    // where the system refuses it, all is well, too.
    unsafe {
        if libc::sched_getscheduler(0) == libc::SCHED_OTHER {
            let none: libc::sched_param = std::mem::zeroed();
            libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none);
        }
    }
}

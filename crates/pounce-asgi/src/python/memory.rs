//! Memory that a burst of requests took, given back to the system.
//!
//! Python keeps freed objects of common types in free lists until its collector runs in full, and so do our pools; one
//! such object keeps the whole arena that it lies in. glibc keeps what was freed below the top of its heap.

use pyo3::prelude::*;

use super::asyncio::Asyncio;
use super::object;

/// So large an allocation has glibc take everything up to its size from the heap from now on.
const HEAP_UP_TO: usize = 1024 * 1024;

/// Keeps glibc from mapping and unmapping memory for each read of asyncio's transports, which make room for 256 KiB: its
/// threshold for that rises to the largest mapping that was freed. In most programs an import happens to do that.
pub(super) fn use_the_heap() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(HEAP_UP_TO)));
}

/// Gives back what nothing needs any more. Takes as long as a full collection of what was made since startup.
pub(super) fn give_back(py: Python<'_>, asyncio: &Asyncio) {
    if let Err(error) = asyncio.glue.bind(py).call_method0("give_back_memory") {
        tracing::error!(target: "pounce", "cannot run the garbage collector: {error}");
    }
    // Behind it: objects of the bridge that the collector frees go into the pools.
    // SAFETY: attached, on the loop's thread.
    unsafe { object::free_memory(&asyncio.owner) };
    // Finalizers may have left something to the loop.
    asyncio.driver.look();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time, on any thread.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

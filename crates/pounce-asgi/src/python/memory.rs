//! Returns the memory of a burst of requests to the system.
//!
//! Python keeps freed objects of common types in free lists until its collector runs in full, and so do the bridge's
//! pools; one such object keeps its whole arena. glibc keeps memory freed below the top of its heap.

use pyo3::prelude::*;

use super::asyncio::Asyncio;
use super::object;

/// Freeing an allocation of this size makes glibc take allocations up to it from the heap from then on.
const HEAP_UP_TO: usize = 1024 * 1024;

/// Keeps glibc from mapping and unmapping memory for each read of asyncio's transports, which allocate 256 KiB: its
/// threshold for mappings rises to the largest one freed. In most programs an import happens to do that.
pub(super) fn use_the_heap() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(HEAP_UP_TO)));
}

/// Gives back unused memory. Takes as long as a full collection of the objects made since startup.
pub(super) fn give_back(py: Python<'_>, asyncio: &Asyncio) {
    if let Err(error) = asyncio.glue.bind(py).call_method0("give_back_memory") {
        tracing::error!(target: "pounce", "cannot run the garbage collector: {error}");
    }
    // After the collection: objects of the bridge that it frees go into the pools.
    // SAFETY: attached, on the loop's thread.
    unsafe { object::free_memory(&asyncio.owner) };
    if let Some(event_loop) = asyncio.driver.native() {
        event_loop.free_memory();
    }
    // Finalizers may have scheduled callbacks.
    asyncio.driver.look();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim may be called at any time, on any thread.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

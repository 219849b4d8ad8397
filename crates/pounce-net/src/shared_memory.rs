//! Memory that processes share, and that none of them can truncate.
//!
//! Applications run in these processes and can reach the descriptor. Reading behind the end of a truncated file ends the
//! process (SIGBUS), so the file's length is sealed (`fcntl(2)`, File Sealing), and a file without the seals is not mapped.

#![allow(unsafe_code, reason = "memory shared by processes is mapped, and read through a pointer")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::adopt_error::AdoptError;

/// What processes can share.
///
/// # Safety
/// It is made of atomic numbers alone: any bytes are a value of it, other processes may change it at any time, and its
/// layout is fixed (`#[repr(C)]`). It needs no larger alignment than a page.
pub unsafe trait Shared: Sync {}

// SAFETY: an atomic number.
unsafe impl Shared for AtomicU32 {}
// SAFETY: an atomic number.
unsafe impl Shared for AtomicU64 {}
// SAFETY: an array of what may be shared.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

/// The length can never change, nor can the seals.
#[cfg(target_os = "linux")]
const SEALS: libc::c_int = libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;

/// A value in memory that processes share, mapped, and the descriptor of the memory.
#[derive(Debug)]
pub struct SharedMemory<T: Shared> {
    mapping: Mapping<T>,
    fd: OwnedFd,
}

/// The mapping alone.
#[derive(Debug)]
struct Mapping<T: Shared>(NonNull<T>);

// SAFETY: the pointer leads to atomics, which stay mapped until the mapping is dropped.
unsafe impl<T: Shared> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for Mapping<T> {}

impl<T: Shared> SharedMemory<T> {
    const BYTES: usize = size_of::<T>();

    /// New memory of zeros; `name` is what `/proc` shows.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, or the system has no `memfd_create(2)`.
    #[cfg(target_os = "linux")]
    pub fn new(name: &CStr) -> io::Result<Self> {
        use std::os::fd::FromRawFd as _;
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: the name is a C string; the call returns a new descriptor or -1.
        let fd = unsafe { libc::memfd_create(name.as_ptr(), flags) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: no pointer is passed.
        if unsafe { libc::ftruncate(fd.as_raw_fd(), Self::BYTES as libc::off_t) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: no pointer is passed.
        if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, SEALS) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { mapping: Mapping::map(fd.as_fd())?, fd })
    }

    /// Other systems have no memory that can be sealed.
    ///
    /// # Errors
    ///
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub fn new(_name: &CStr) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The memory behind a descriptor's number, in this process or in one that inherited it.
    ///
    /// # Errors
    ///
    /// The descriptor is not memory of that length and sealed. It is left as it was.
    pub fn adopt(number: RawFd) -> io::Result<Self> {
        let mut mapping = None;
        let inspect = |fd: BorrowedFd<'_>| {
            mapping = Some(Mapping::map(fd)?);
            Ok::<_, AdoptError>(())
        };
        let fd = crate::raw_fd::adopt(number, inspect).map_err(io::Error::other)?;
        let mapping = mapping.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { mapping, fd })
    }

    /// The value.
    pub fn get(&self) -> &T {
        // SAFETY: the mapping is that long, aligned to a page, and lives as long as `self`; any bytes are a value.
        unsafe { self.mapping.0.as_ref() }
    }
}

impl<T: Shared> AsFd for SharedMemory<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<T: Shared> Mapping<T> {
    const BYTES: usize = size_of::<T>();

    fn map(fd: BorrowedFd<'_>) -> io::Result<Self> {
        if !is_sealed(fd) || length(fd)? != Self::BYTES as libc::off_t {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not shared memory of that length"));
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; the file has this length, and it is sealed.
        let address = unsafe {
            libc::mmap(std::ptr::null_mut(), Self::BYTES, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?))
    }
}

impl<T: Shared> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), Self::BYTES) };
    }
}

/// Whether the file's length is sealed. Only memfd and tmpfs files can be.
#[cfg(target_os = "linux")]
fn is_sealed(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: no pointer is passed; a file that cannot be sealed is answered with -1.
    let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
    seals != -1 && seals & SEALS == SEALS
}

#[cfg(not(target_os = "linux"))]
fn is_sealed(_fd: BorrowedFd<'_>) -> bool {
    false
}

fn length(fd: BorrowedFd<'_>) -> io::Result<libc::off_t> {
    // SAFETY: the structure is plain numbers, and fstat fills it in.
    let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
    // SAFETY: the structure is valid for the call.
    match unsafe { libc::fstat(fd.as_raw_fd(), &raw mut stat) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(stat.st_size),
    }
}

//! The memory behind a load table: a page that processes map, and that none of them can truncate.
//!
//! Applications run in these processes and can reach the descriptor. Reading a truncated page ends the process
//! (SIGBUS), so the file's length is sealed (`fcntl(2)`, File Sealing), and a file without the seals is not mapped.

#![allow(unsafe_code, reason = "memory shared by processes is mapped, and read through a pointer")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use crate::adopt_error::AdoptError;

/// How many numbers fit in a page.
pub(super) const NUMBERS: usize = 1024;
const BYTES: usize = NUMBERS * size_of::<AtomicU32>();

/// The length can never change, nor can the seals.
#[cfg(target_os = "linux")]
const SEALS: libc::c_int = libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;

/// The page, mapped, and its descriptor.
#[derive(Debug)]
pub(super) struct Memory {
    page: Page,
    fd: OwnedFd,
}

/// The page alone.
#[derive(Debug)]
struct Page(NonNull<AtomicU32>);

// SAFETY: the pointer leads to atomics, which stay mapped until the page is dropped.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Memory {
    /// A new page of zeros.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, or the system has no `memfd_create(2)`.
    #[cfg(target_os = "linux")]
    pub(super) fn new() -> io::Result<Self> {
        use std::os::fd::FromRawFd as _;
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: the name is a C string; the call returns a new descriptor or -1.
        let fd = unsafe { libc::memfd_create(c"pounce-load".as_ptr(), flags) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: no pointer is passed.
        if unsafe { libc::ftruncate(fd.as_raw_fd(), BYTES as libc::off_t) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: no pointer is passed.
        if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, SEALS) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { page: Page::map(fd.as_fd())?, fd })
    }

    /// Other systems have no memory that can be sealed.
    ///
    /// # Errors
    ///
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The page behind a descriptor's number.
    ///
    /// # Errors
    ///
    /// The descriptor is not such a page. It is left as it was.
    pub(super) fn adopt(number: RawFd) -> io::Result<Self> {
        let mut page = None;
        let inspect = |fd: BorrowedFd<'_>| {
            page = Some(Page::map(fd)?);
            Ok::<_, AdoptError>(())
        };
        let fd = crate::raw_fd::adopt(number, inspect).map_err(io::Error::other)?;
        let page = page.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { page, fd })
    }

    pub(super) fn numbers(&self) -> &[AtomicU32; NUMBERS] {
        // SAFETY: the mapping is that long, aligned to a page, and lives as long as `self`.
        unsafe { self.page.0.cast().as_ref() }
    }
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Page {
    fn map(fd: BorrowedFd<'_>) -> io::Result<Self> {
        if !is_sealed(fd) || length(fd)? != BYTES as libc::off_t {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a load table"));
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; the file has this length, and it is sealed.
        let address = unsafe {
            libc::mmap(std::ptr::null_mut(), BYTES, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), BYTES) };
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

//! The entries of a message that an application sends.
//!
//! A message has two or three entries, most with interned keys: to go through them once costs less than to look each key up, and tells
//! which keys are not there.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// So many entries are gone through.
const FEW: usize = 4;

/// The entries that nobody has taken yet.
pub(super) struct Entries<'a, 'py> {
    message: &'a Bound<'py, PyDict>,
    /// Keys, which are compared by identity, and their values.
    few: [Option<(*mut ffi::PyObject, Bound<'py, PyAny>)>; FEW],
    /// How many are left, or more if there are others than those.
    left: usize,
}

impl<'a, 'py> Entries<'a, 'py> {
    pub(super) fn of(message: &'a Bound<'py, PyDict>) -> Self {
        let mut few = [const { None }; FEW];
        let left = pyo3::sync::critical_section::with_critical_section(message, || {
            let (mut at, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            for place in few.iter_mut().take(message.len()) {
                // SAFETY: attached, and the dict is alive. No other code changes it meanwhile.
                unsafe {
                    if ffi::PyDict_Next(message.as_ptr(), &mut at, &mut key, &mut value) == 0 {
                        break;
                    }
                    *place = Some((key, Bound::from_borrowed_ptr(message.py(), value)));
                }
            }
            message.len()
        });
        Self { message, few, left }
    }

    /// The value of a key, of which one may ask once.
    ///
    /// # Errors
    /// That of comparing keys.
    pub(super) fn take(&mut self, name: &Py<PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
        for entry in &mut self.few {
            if let Some((_, value)) = entry.take_if(|(key, _)| *key == name.as_ptr()) {
                self.left -= 1;
                return Ok(Some(value));
            }
        }
        // Another string may have the same text.
        if self.left == 0 { Ok(None) } else { self.message.get_item(name) }
    }
}

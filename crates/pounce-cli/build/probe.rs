//! A Python whose interpreter is a part of it.

use std::ffi::{CString, c_char, c_int};

unsafe extern "C" {
    fn Py_BytesMain(count: c_int, arguments: *mut *mut c_char) -> c_int;
}

fn main() {
    let arguments = std::env::args().map(|text| CString::new(text).expect("an argument").into_raw());
    let mut arguments: Vec<_> = arguments.chain([std::ptr::null_mut()]).collect();
    // SAFETY: the arguments live as long as the program, and a null pointer follows them.
    std::process::exit(unsafe { Py_BytesMain(arguments.len() as c_int - 1, arguments.as_mut_ptr()) });
}

//! The extension module of the package `pounce`: the server inside the interpreter of the program that imports it.
//!
//! It has functions alone, which the package's Python modules call. Nothing Python is in a static, save the definition
//! that CPython wants to be one.

#![allow(unsafe_code, reason = "an entry point that CPython calls by its name")]

mod hosted;
mod servers;

use std::ffi::{OsString, c_int, c_void};

use pounce_asgi::python::Interpreter;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use hosted::Hosted;

/// What CPython looks for when the module is imported (PEP 489).
///
/// # Safety
/// It is called by CPython, attached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit__pounce() -> *mut ffi::PyObject {
    static mut SLOTS: [ffi::PyModuleDef_Slot; 4] = [
        ffi::PyModuleDef_Slot { slot: ffi::Py_mod_exec, value: execute as *mut c_void },
        #[cfg(Py_3_12)]
        ffi::PyModuleDef_Slot {
            slot: ffi::Py_mod_multiple_interpreters,
            value: ffi::Py_MOD_PER_INTERPRETER_GIL_SUPPORTED,
        },
        #[cfg(not(Py_3_12))]
        END,
        #[cfg(Py_3_13)]
        ffi::PyModuleDef_Slot { slot: ffi::Py_mod_gil, value: ffi::Py_MOD_GIL_NOT_USED },
        #[cfg(not(Py_3_13))]
        END,
        END,
    ];
    static mut DEFINITION: ffi::PyModuleDef = ffi::PyModuleDef {
        m_base: ffi::PyModuleDef_HEAD_INIT,
        m_name: c"_pounce".as_ptr(),
        m_doc: std::ptr::null(),
        m_size: 0,
        m_methods: std::ptr::null_mut(),
        m_slots: (&raw mut SLOTS).cast(),
        m_traverse: None,
        m_clear: None,
        m_free: None,
    };
    // SAFETY: attached, by contract; only CPython writes to the definition, under its own locks.
    unsafe { ffi::PyModuleDef_Init(&raw mut DEFINITION) }
}

const END: ffi::PyModuleDef_Slot = ffi::PyModuleDef_Slot { slot: 0, value: std::ptr::null_mut() };

unsafe extern "C" fn execute(module: *mut ffi::PyObject) -> c_int {
    // SAFETY: CPython calls it attached, with the new module.
    let (py, module) = unsafe {
        let py = Python::assume_attached();
        (py, Bound::from_borrowed_ptr(py, module))
    };
    match fill(py, &module) {
        Ok(()) => 0,
        Err(error) => {
            error.restore(py);
            -1
        }
    }
}

fn fill(py: Python<'_>, module: &Bound<'_, PyAny>) -> PyResult<()> {
    module.setattr("__version__", env!("CARGO_PKG_VERSION"))?;
    let add = |function: Bound<'_, PyCFunction>| {
        module.setattr(function.getattr("__name__")?.extract::<String>()?.as_str(), function)
    };
    add(PyCFunction::new_closure(py, Some(c"main"), None, main)?)?;
    add(PyCFunction::new_closure(py, Some(c"new_server"), None, servers::new_server)?)?;
    add(PyCFunction::new_closure(py, Some(c"run_server"), None, servers::run_server)?)?;
    add(PyCFunction::new_closure(py, Some(c"shutdown_server"), None, servers::shutdown_server)?)?;
    add(PyCFunction::new_closure(py, Some(c"is_asked_to_stop"), None, servers::is_asked_to_stop)?)?;
    add(PyCFunction::new_closure(py, Some(c"server_state"), None, servers::server_state)?)?;
    add(PyCFunction::new_closure(py, Some(c"wait_server"), None, servers::wait_server)?)?;
    add(PyCFunction::new_closure(py, Some(c"drop_server"), None, servers::drop_server)?)?;
    add(PyCFunction::new_closure(py, Some(c"loop_class"), None, loop_class)?)
}

/// `loop_class() -> type`: the class of Pounce's event loop.
fn loop_class(arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Py<PyAny>> {
    pounce_asgi::python::loop_class(arguments.py()).map(Bound::unbind)
}

/// `main(arguments, executable, flags, restarted, virtualenv) -> int`: the command line, to the end of the process.
fn main(arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> PyResult<u8> {
    let (given, host): (Vec<OsString>, Hosted) = {
        let (given, executable, flags, restarted, virtualenv) = arguments.extract()?;
        (given, Hosted::as_process(executable, flags, restarted, virtualenv))
    };
    let code = arguments.py().detach(|| pounce_cli::run(host, given));
    Interpreter::end_process_if_it_must(arguments.py(), code);
    Ok(code)
}

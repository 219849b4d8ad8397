//! The `receive` and `send` that an application is called with: coroutine functions, as ASGI requires.
//!
//! Calling one only makes a [`Coroutine`], so any thread may do so.

use std::ffi::{CStr, c_void};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyModule;

use super::coroutine::{Coroutine, Operation};
use super::object::{ObjectValue, Ref, Type, Visit, Visited, make_shared, shared};
use super::owner::Pool;
use super::slots::{Attributes, NO_ATTRIBUTE};

/// `receive()`.
pub(super) struct Receive(pub(super) Function);

/// `send(message)`.
pub(super) struct Send(pub(super) Function);

/// The common part of both.
pub(super) struct Function {
    /// The [`AppCoroutine`](super::app_coroutine::AppCoroutine) of the request.
    call: Ref,
    /// The type of the coroutines that a call returns.
    coroutines: Ref,
}

impl Function {
    pub(super) fn new(call: &Bound<'_, PyAny>, coroutines: &Type<Coroutine>) -> Self {
        // SAFETY: a bound object is proof of being attached, and both are alive.
        unsafe {
            Self { call: Ref::new(call.as_ptr()), coroutines: Ref::new(coroutines.as_object().as_ptr()) }
        }
    }

    fn traverse(&self, visit: &Visit) -> Visited {
        visit.show(self.call.as_ptr())?;
        visit.show(self.coroutines.as_ptr())
    }

    /// # Safety
    /// Attached; `object` is the object that contains this value.
    unsafe fn coroutine<T: ObjectValue>(
        &self,
        object: *mut ffi::PyObject,
        operation: Operation,
    ) -> *mut ffi::PyObject {
        // SAFETY: attached; `coroutines` is the type of coroutines and has the same owner.
        unsafe {
            let coroutine = Coroutine::new(Ref::new(self.call.as_ptr()), operation);
            make_shared::<Coroutine, T>(self.coroutines.as_ptr().cast(), coroutine, object)
        }
    }
}

/// Makes `inspect.iscoroutinefunction` and `inspect.signature` see an `async def`.
pub(super) fn pose_as_coroutine_functions(
    glue: &Bound<'_, PyModule>,
    receives: &Type<Receive>,
    sends: &Type<Send>,
) -> PyResult<()> {
    glue.call_method1("pose_as_coroutine_function", (receives.as_object(), glue.getattr("receive")?))?;
    glue.call_method1("pose_as_coroutine_function", (sends.as_object(), glue.getattr("send")?)).map(drop)
}

impl ObjectValue for Receive {
    const NAME: &'static CStr = c"pounce.Receive";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(call_receive);
    const ANY_THREAD: bool = true;
    const COLLECTED: bool = true;
    const POOL: Option<Pool> = Some(Pool::Receive);

    fn slots() -> Vec<ffi::PyType_Slot> {
        vec![RECEIVE_NAMES.slot()]
    }

    fn traverse(&self, visit: &Visit) -> Visited {
        self.0.traverse(visit)
    }
}

impl ObjectValue for Send {
    const NAME: &'static CStr = c"pounce.Send";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(call_send);
    const ANY_THREAD: bool = true;
    const COLLECTED: bool = true;
    const POOL: Option<Pool> = Some(Pool::Send);

    fn slots() -> Vec<ffi::PyType_Slot> {
        vec![SEND_NAMES.slot()]
    }

    fn traverse(&self, visit: &Visit) -> Visited {
        self.0.traverse(visit)
    }
}

static RECEIVE_NAMES: Attributes<3> = name_getters(receive_name);
static SEND_NAMES: Attributes<3> = name_getters(send_name);

/// `__name__` and `__qualname__`.
const fn name_getters(get: ffi::getter) -> Attributes<3> {
    Attributes([named(get, c"__name__"), named(get, c"__qualname__"), NO_ATTRIBUTE])
}

const fn named(get: ffi::getter, name: &'static CStr) -> ffi::PyGetSetDef {
    ffi::PyGetSetDef { name: name.as_ptr(), get: Some(get), ..NO_ATTRIBUTE }
}

unsafe extern "C" fn receive_name(_: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached.
    unsafe { ffi::PyUnicode_InternFromString(c"receive".as_ptr()) }
}

unsafe extern "C" fn send_name(_: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached.
    unsafe { ffi::PyUnicode_InternFromString(c"send".as_ptr()) }
}

unsafe extern "C" fn call_receive(
    object: *mut ffi::PyObject,
    _arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type; names are a tuple or null.
    unsafe {
        let count = ffi::PyVectorcall_NARGS(count);
        if count > 0 {
            ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"receive() takes 0 positional arguments but %zd were given".as_ptr(),
                count,
            );
        } else if !names.is_null() && ffi::PyTuple_Size(names) > 0 {
            unexpected(c"receive", ffi::PyTuple_GetItem(names, 0));
        } else {
            return shared::<Receive>(object).0.coroutine::<Receive>(object, Operation::Receive);
        }
        std::ptr::null_mut()
    }
}

unsafe extern "C" fn call_send(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type, that many positional arguments, and behind
    // them one for each name.
    unsafe {
        let count = ffi::PyVectorcall_NARGS(count);
        let keywords = if names.is_null() { 0 } else { ffi::PyTuple_Size(names) };
        let named = |at| ffi::PyTuple_GetItem(names, at);
        for at in 0..keywords {
            if ffi::PyUnicode_CompareWithASCIIString(named(at), c"message".as_ptr()) != 0 {
                unexpected(c"send", named(at));
                return std::ptr::null_mut();
            }
        }
        let text = match (count, keywords) {
            (1, 0) | (0, 1) => {
                let message = Ref::new(*arguments);
                return shared::<Send>(object).0.coroutine::<Send>(object, Operation::Send(message));
            }
            (0, _) => c"send() missing 1 required positional argument: 'message'",
            (1, _) => c"send() got multiple values for argument 'message'",
            _ => c"send() takes 1 positional argument but %zd were given",
        };
        ffi::PyErr_Format(ffi::PyExc_TypeError, text.as_ptr(), count)
    }
}

/// # Safety
/// Attached; `name` is a str.
unsafe fn unexpected(function: &CStr, name: *mut ffi::PyObject) {
    // SAFETY: by contract; the format takes a C string and an object.
    unsafe {
        ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"%s() got an unexpected keyword argument '%U'".as_ptr(),
            function.as_ptr(),
            name,
        );
    }
}

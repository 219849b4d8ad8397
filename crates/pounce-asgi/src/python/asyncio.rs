//! asyncio as one worker uses it: its loop, futures and tasks, and interned names. Nothing of it is in a static, and it
//! knows nothing of requests.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyTuple};

use crate::{ResponseHead, SendError};

use super::callback::Callback;
use super::context::Context;
use super::loop_driver::LoopDriver;
use super::names::Names;
use super::object::Type;
use super::owner::Owner;

/// The parts of asyncio that one worker uses.
pub(super) struct Asyncio {
    pub(super) names: Names,
    pub(super) callbacks: Type<Callback>,
    pub(super) glue: Py<PyModule>,
    pub(super) event_loop: Py<PyAny>,
    pub(super) driver: Rc<LoopDriver>,
    /// Whether the loop is in asyncio's debug mode.
    debug: Arc<AtomicBool>,
    pub(super) owner: Arc<Owner>,
    /// Scratch space for response heads.
    pub(super) head: RefCell<ResponseHead>,
    /// The exception class of a `send` whose client has gone.
    disconnected: Py<PyAny>,
    future: Py<PyAny>,
    future_keywords: Py<PyTuple>,
    task: Py<PyAny>,
    /// Of the task's constructor, which only reads them: all calls share one dict.
    pub(super) task_keywords: Py<PyDict>,
}

impl Asyncio {
    pub(super) fn new(
        py: Python<'_>,
        glue: &Bound<'_, PyModule>,
        driver: Rc<LoopDriver>,
        debug: Arc<AtomicBool>,
        owner: &Arc<Owner>,
    ) -> PyResult<Rc<Self>> {
        let module = py.import("asyncio")?;
        let event_loop = module.call_method0("get_running_loop")?;
        let task_keywords = PyDict::new(py);
        task_keywords.set_item("loop", &event_loop)?;
        task_keywords.set_item("name", "pounce-request")?;
        if cfg!(Py_3_12) {
            task_keywords.set_item("eager_start", true)?;
        }
        Ok(Rc::new(Self {
            names: Names::new(py),
            callbacks: Type::new(py, owner)?,
            disconnected: glue.getattr("Disconnected")?.unbind(),
            glue: glue.clone().unbind(),
            future: module.getattr("Future")?.unbind(),
            future_keywords: PyTuple::new(py, ["loop"])?.unbind(),
            task: module.getattr("Task")?.unbind(),
            task_keywords: task_keywords.unbind(),
            event_loop: event_loop.unbind(),
            driver,
            debug,
            owner: Arc::clone(owner),
            head: RefCell::default(),
        }))
    }

    /// A task for a coroutine, started at once from Python 3.12 on, else in the loop's next turn.
    pub(super) fn task<'py>(
        &self,
        py: Python<'py>,
        coroutine: &Bound<'py, PyAny>,
        context: Option<&Context>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut keywords = self.task_keywords.bind(py).clone();
        if let Some(context) = context {
            keywords = keywords.copy()?;
            keywords.set_item(&self.names.context, context.as_object())?;
        }
        self.task.bind(py).call((coroutine,), Some(&keywords))
    }

    /// Whether the loop is in asyncio's debug mode, which logs callbacks that hold it.
    pub(super) fn is_debug(&self) -> bool {
        self.debug.load(Ordering::Relaxed)
    }

    /// Logs the first step of a request's call if it held the loop for too long, as asyncio's debug mode does for later
    /// steps.
    pub(super) fn log_if_slow(&self, py: Python<'_>, request: &[u8], took: Duration) -> PyResult<()> {
        let arguments = (&self.event_loop, request, took.as_secs_f64());
        self.glue.bind(py).call_method1("log_if_slow", arguments).map(drop)
    }

    /// A future of the loop, as from `create_future` but without a Python call.
    pub(super) fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let arguments = [self.event_loop.as_ptr()];
        let keywords = self.future_keywords.as_ptr();
        // SAFETY: attached; no positional argument, and one keyword with its value.
        unsafe {
            let future = ffi::PyObject_Vectorcall(self.future.as_ptr(), arguments.as_ptr(), 0, keywords);
            Bound::from_owned_ptr_or_err(py, future)
        }
    }

    /// The exception that `send` raises when the client has gone.
    pub(super) fn disconnected(&self, py: Python<'_>) -> PyErr {
        match self.disconnected.call1(py, (SendError::Disconnected.to_string(),)) {
            Ok(error) => PyErr::from_value(error.into_bound(py)),
            Err(error) => error,
        }
    }

    /// Whether an application raised because its client has gone, as `send` had reported.
    pub(super) fn is_disconnect(&self, py: Python<'_>, error: &PyErr) -> bool {
        let found = self.glue.bind(py).call_method1("is_disconnect", (whole(py, error),));
        found.and_then(|found| found.is_truthy()).unwrap_or(false)
    }

    /// Runs a coroutine as a task and waits for it.
    pub(super) async fn run(self: &Rc<Self>, coroutine: Py<PyAny>) -> PyResult<Py<PyAny>> {
        let finished: Rc<Cell<bool>> = Rc::default();
        let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
        let task = {
            let py = attached();
            let task = self.event_loop.bind(py).call_method1("create_task", (coroutine,))?;
            let (finished, waker) = (Rc::clone(&finished), Rc::clone(&waker));
            let callback = Callback::new(move |_| {
                finished.set(true);
                if let Some(waker) = waker.take() {
                    waker.wake();
                }
                Ok(())
            });
            task.call_method1("add_done_callback", (self.callbacks.make(py, callback)?,))?;
            self.driver.look();
            task.unbind()
        };
        poll_fn(|cx| {
            if finished.get() {
                return Poll::Ready(());
            }
            waker.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
        task.call_method0(attached(), "result")
    }

    /// The traceback of an exception as text.
    pub(super) fn traceback(&self, py: Python<'_>, error: &PyErr) -> String {
        self.glue
            .bind(py)
            .call_method1("format_exception", (whole(py, error),))
            .and_then(|text| text.extract())
            .unwrap_or_else(|_| error.to_string())
    }
}

/// An exception that holds its traceback, which before Python 3.12 is kept separately.
pub(super) fn whole(py: Python<'_>, error: &PyErr) -> Py<PyAny> {
    error.clone_ref(py).into_value(py).into_any()
}

/// The token that every task of the runtime may use: the runtime is entered attached and detaches only around its wait
/// (`park`). Callers do not keep the token across an await.
///
/// # Panics
/// Elsewhere: an [`EventLoop`](super::EventLoop) that outlives its loop is of no use.
pub(super) fn attached() -> Python<'static> {
    assert!(is_attached(), "the event loop of this thread does not run");
    // SAFETY: as was just found.
    unsafe { Python::assume_attached() }
}

/// Whether this thread has a thread state attached. `PyGILState_Check` does not tell where there are subinterpreters.
fn is_attached() -> bool {
    // SAFETY: it may be called at any time, on any thread.
    let state = unsafe { ffi::compat::PyThreadState_GetUnchecked() };
    !state.is_null()
}

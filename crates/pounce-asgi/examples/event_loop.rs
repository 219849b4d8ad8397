//! Runs a coroutine on Pounce's event loop, from Rust and without a server:
//! `cargo run -p pounce-asgi --example event_loop`.

use pounce_asgi::python::{Interpreter, InterpreterOptions, loop_class};
use pyo3::prelude::*;
use pyo3::types::PyModule;

const PROGRAM: &std::ffi::CStr = c"
import asyncio

async def main():
    await asyncio.sleep(0.01)
    found = await asyncio.to_thread(sum, range(10))
    return f'{type(asyncio.get_running_loop()).__name__} says {found}'

def run(make_loop):
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(main())
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let interpreter = Interpreter::start(&InterpreterOptions::default())?;
    let said = Python::attach(|py| -> PyResult<String> {
        let program = PyModule::from_code(py, PROGRAM, c"program.py", c"program")?;
        program.call_method1("run", (loop_class(py)?,))?.extract()
    })?;
    interpreter.finalize();
    println!("{said}");
    Ok(())
}

//! The ASGI contract in Rust, and the bridge that keeps it with CPython

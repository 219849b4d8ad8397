//! The bridge to CPython.

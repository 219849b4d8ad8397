//! Lets this crate's tests find the library of the Python they are built for.

fn main() {
    pyo3_build_config::add_libpython_rpath_link_args();
}

//! Tells the bridge which CPython it is built for, and lets this crate's tests find its library.

fn main() {
    #[cfg(feature = "python")]
    {
        pyo3_build_config::use_pyo3_cfgs();
        pyo3_build_config::add_libpython_rpath_link_args();
        let executable = pyo3_build_config::get().executable().unwrap_or("python3").to_owned();
        println!("cargo::rustc-env=POUNCE_PYTHON_EXECUTABLE={executable}");
    }
}

//! Says whether the interpreter has a GIL, with the `cfg` of pyo3 (`Py_GIL_DISABLED`).

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}

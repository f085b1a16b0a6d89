//! The compiled half of the Python package `stance`.
//!
//! [`model`] wraps the library's predictor and its scoring of Arrow batches, [`documents`] reads
//! what Python hands over, [`errors`] makes exceptions. Everything that is Python for people
//! (classes, defaults, notebooks) is in `python/stance`.

mod documents;
mod errors;
mod logs;
mod model;

use pyo3::prelude::*;

/// `stance._stance`.
#[pymodule]
fn _stance(module: &Bound<'_, PyModule>) -> PyResult<()> {
    logs::connect(module.py());
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<model::Model>()
}

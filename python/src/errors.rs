//! Errors of the library as exceptions with the same codes.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use stance::error::ErrorCode;

/// `stance.StanceError(code, message)`.
pub fn stance_error(py: Python<'_>, code: &str, message: &str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match CLASS.import(py, "stance._errors", "StanceError") {
        Ok(class) => PyErr::from_type(class.clone(), (code.to_owned(), message.to_owned())),
        Err(error) => error,
    }
}

/// An error of any boundary of the library.
pub fn of(py: Python<'_>, error: &impl ErrorCode) -> PyErr {
    stance_error(py, error.code(), &error.to_string())
}

//! Events of the library to Python's `logging`: the logger of `stance::predict` is
//! `stance.predict`.

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3_log::{Caching, Logger, ResetHandle};

static RESET: OnceLock<ResetHandle> = OnceLock::new();

/// Hands all events to `logging` from now on, unless the process has a logger already.
pub fn connect(py: Python<'_>) {
    if let Ok(logger) = Logger::new(py, Caching::LoggersAndLevels)
        && let Ok(handle) = logger.install()
    {
        // A second import finds the first one's.
        let _ = RESET.set(handle);
    }
}

/// Forgets which levels were switched on when an event last came.
pub fn refresh() {
    if let Some(handle) = RESET.get() {
        handle.reset();
    }
}

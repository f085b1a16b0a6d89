//! What may wait: a count of documents and of bytes, given back by dropping the permit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::EngineError;

#[derive(Debug)]
struct Load {
    documents: usize,
    bytes: usize,
    open: bool,
}

/// The door of the queue.
#[derive(Debug)]
pub(super) struct Admission {
    max_documents: usize,
    max_bytes: usize,
    load: Mutex<Load>,
}

/// A place in the queue for one request; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    documents: usize,
    bytes: usize,
}

impl Admission {
    pub(super) const fn new(max_documents: usize, max_bytes: usize) -> Self {
        let load = Load {
            documents: 0,
            bytes: 0,
            open: true,
        };
        Self {
            max_documents,
            max_bytes,
            load: Mutex::new(load),
        }
    }

    /// Takes the request in whole, or says why not.
    pub(super) fn admit(
        self: &Arc<Self>,
        documents: usize,
        bytes: usize,
    ) -> Result<Permit, EngineError> {
        let mut load = self.lock();
        if !load.open {
            return Err(EngineError::ShuttingDown);
        }
        if load.documents.saturating_add(documents) > self.max_documents {
            return Err(EngineError::QueueFull {
                limit: self.max_documents,
                unit: "documents",
            });
        }
        if load.bytes.saturating_add(bytes) > self.max_bytes {
            return Err(EngineError::QueueFull {
                limit: self.max_bytes,
                unit: "bytes of text",
            });
        }
        load.documents += documents;
        load.bytes += bytes;
        drop(load);
        Ok(Permit {
            admission: Arc::clone(self),
            documents,
            bytes,
        })
    }

    pub(super) fn close(&self) {
        self.lock().open = false;
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().open
    }

    pub(super) fn documents(&self) -> usize {
        self.lock().documents
    }

    fn lock(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut load = self.admission.lock();
        load.documents -= self.documents;
        load.bytes -= self.bytes;
    }
}

//! Queue and batching between many callers and one encoder.
//!
//! [`Engine::classify`] admits a request whole or not at all (`admission`), hands it to one
//! dedicated thread (`worker`) and waits for the answer. The thread collects documents of
//! several requests into one call of the [`Classifier`], so that their windows share batches.
//! `guard` is what both the worker and the command line go through: the limits of a
//! document, and a panic turned into an error.

mod admission;
mod classifier;
mod guard;
mod options;
mod worker;

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::document::{Document, Options};
use crate::error::ErrorCode;
use crate::prediction::DocumentResult;

use admission::Admission;
pub use classifier::Classifier;
pub use guard::{DocumentLimits, classify_guarded};
pub use options::{MAX_EVIDENCE, OptionsError, check_options};
use worker::Work;

/// How much the engine takes on, and how much it reads at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// Documents that may wait or be in work at the same time.
    pub queue_documents: usize,
    /// Bytes of text that may wait or be in work at the same time.
    pub queue_bytes: usize,
    /// Documents in one call of the classifier at the most.
    pub batch_documents: usize,
    /// Bytes of text in one call of the classifier; a longer document gets a call of its own.
    pub batch_bytes: usize,
    /// What a single document may bring.
    pub document: DocumentLimits,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            queue_documents: 1024,
            queue_bytes: 256 << 20,
            batch_documents: 32,
            batch_bytes: 256 << 10,
            document: DocumentLimits::default(),
        }
    }
}

/// Why a request as a whole got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Too much is waiting already.
    #[error("the queue is full: its limit is {limit} {unit}; try again later")]
    QueueFull {
        /// The limit that was reached.
        limit: usize,
        /// What the limit counts: `documents` or `bytes of text`.
        unit: &'static str,
    },
    /// The service finishes what it admitted and takes on nothing new.
    #[error("the service is shutting down and takes no new requests")]
    ShuttingDown,
    /// The worker ended without an answer.
    #[error("the worker ended without an answer; the request may be sent again")]
    WorkerLost,
    /// The operating system refused the worker's thread.
    #[error("cannot start the worker thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl ErrorCode for EngineError {
    fn code(&self) -> &'static str {
        match self {
            Self::QueueFull { .. } => "queue_full",
            Self::ShuttingDown => "shutting_down",
            Self::WorkerLost | Self::Thread(_) => "internal_error",
        }
    }
}

/// A classifier behind a bounded queue.
#[derive(Debug)]
pub struct Engine {
    admission: Arc<Admission>,
    sender: Mutex<Option<mpsc::Sender<Work>>>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// Starts the worker thread.
    ///
    /// # Errors
    /// [`EngineError::Thread`] when the operating system refuses the thread.
    pub fn start(
        classifier: Arc<dyn Classifier>,
        limits: EngineLimits,
    ) -> Result<Self, EngineError> {
        let (sender, receiver) = mpsc::channel();
        let worker = std::thread::Builder::new()
            .name("stance-encoder".to_owned())
            .spawn(move || worker::run(classifier.as_ref(), &receiver, &limits))?;
        Ok(Self {
            admission: Arc::new(Admission::new(limits.queue_documents, limits.queue_bytes)),
            sender: Mutex::new(Some(sender)),
            worker: Mutex::new(Some(worker)),
        })
    }

    /// Judges documents; one result each, in their order.
    ///
    /// Dropping the future gives the request up: what has not been read yet is skipped.
    ///
    /// # Errors
    /// [`EngineError::QueueFull`] or [`EngineError::ShuttingDown`] at once, without waiting.
    pub async fn classify(
        &self,
        documents: Vec<Document>,
        options: Options,
    ) -> Result<Vec<DocumentResult>, EngineError> {
        let bytes = documents.iter().map(|document| document.text.len()).sum();
        let permit = self.admission.admit(documents.len(), bytes)?;
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        let work = Work::new(documents, options, reply, permit);
        {
            let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
            let sender = sender.as_ref().ok_or(EngineError::ShuttingDown)?;
            sender.send(work).map_err(|_| EngineError::WorkerLost)?;
        }
        answer.await.map_err(|_| EngineError::WorkerLost)
    }

    /// Whether new requests are admitted.
    pub fn is_open(&self) -> bool {
        self.admission.is_open()
    }

    /// Admits nothing more. What was admitted goes on.
    pub fn close(&self) {
        self.admission.close();
        self.sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Closes and blocks until the worker has answered everything that was admitted.
    pub fn join(&self) {
        self.close();
        let worker = self
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if worker.is_some_and(|worker| worker.join().is_err()) {
            tracing::error!("the worker thread ended by a panic");
        }
    }

    /// Documents that wait or are in work.
    pub fn queued_documents(&self) -> usize {
        self.admission.documents()
    }
}

#[cfg(test)]
mod tests;

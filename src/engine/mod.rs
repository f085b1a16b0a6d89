//! Queue and batching between many callers and one encoder.
//!
//! [`Engine::submit`] admits a request whole or not at all (`admission`). Its documents are read
//! on threads of their own (`readers`, in turns between flows), their windows are picked by fair
//! shares (`schedule`) and encoded by the one thread that drives the device (`worker`); the
//! answers are written by the readers again and gather in the request (`request`). One engine
//! serves any number of models on its device. The spans of a trace (`admit`, `tokenize`, `queue`,
//! `encode`, `heads`, `answer`) hang below the span in which a request was handed in.
//!
//! Commands and the Python package wait for no other caller: a [`Judge`] goes through the same
//! steps on their own threads. `limits` says what a document may bring.

mod admission;
mod judge;
mod limits;
mod model;
mod readers;
mod request;
mod schedule;
mod turns;
mod worker;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::document::Document;
use crate::error::ErrorCode;
use crate::metrics::Metrics;
use crate::predict::Brief;

pub use admission::BYTES_PER_TOKEN;
use admission::{Admission, Load, Permit};
pub use judge::Judge;
pub(crate) use judge::take_bounded;
pub use limits::DocumentLimits;
pub use model::Model;
use readers::{Readers, Unread};
pub use request::{DocumentOutput, Flow};
use request::{Request, Waiting};
pub use schedule::BatchLimits;
use worker::{Inbox, Worker};

/// How much the engine takes on, and how much it reads at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// Documents that may wait or be in work at the same time.
    pub queue_documents: usize,
    /// Bytes of text that may wait or be in work at the same time.
    pub queue_bytes: usize,
    /// Tokens that may wait or be in work at the same time; [`BYTES_PER_TOKEN`] bytes are taken
    /// for one until a text is read.
    pub queue_tokens: usize,
    /// Threads that read documents and write answers, at least 2.
    pub readers: usize,
    /// Tokens of one pass of the encoder.
    pub batch: BatchLimits,
    /// What a single document may bring.
    pub document: DocumentLimits,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            queue_documents: 1024,
            queue_bytes: 256 << 20,
            queue_tokens: 8 << 20,
            readers: 2,
            batch: BatchLimits::default(),
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
        /// What the limit counts: `documents`, `bytes of text` or `tokens`.
        unit: &'static str,
        /// When half of what waits will be done.
        retry_after: Duration,
    },
    /// The request's time was over before its answer was ready.
    #[error("the time for the request was over before it was answered")]
    DeadlineExceeded,
    /// The service finishes what it admitted and takes on nothing new.
    #[error("the service is shutting down and takes no new requests")]
    ShuttingDown,
    /// The worker ended without an answer.
    #[error("the worker ended without an answer; the request may be sent again")]
    WorkerLost,
    /// The operating system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl ErrorCode for EngineError {
    fn code(&self) -> &'static str {
        match self {
            Self::QueueFull { .. } => "queue_full",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::ShuttingDown => "shutting_down",
            Self::WorkerLost | Self::Thread(_) => "internal_error",
        }
    }
}

/// What is handed to the engine at once.
pub struct Submission {
    /// The model to ask.
    pub model: Arc<dyn Model>,
    /// What it is asked; of the same model.
    pub brief: Arc<Brief>,
    /// The documents.
    pub documents: Vec<Document>,
    /// When nobody waits for the answer any more.
    pub deadline: Option<Instant>,
    /// Whose turn it takes.
    pub flow: Flow,
}

/// Bounded queues, threads that read, and the thread of the encoder.
pub struct Engine {
    admission: Arc<Admission>,
    readers: Arc<Readers>,
    inbox: Arc<Inbox>,
    metrics: Arc<Metrics>,
    document: DocumentLimits,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`EngineError::Thread`] when the operating system refuses one.
    pub fn start(limits: EngineLimits, metrics: Arc<Metrics>) -> Result<Self, EngineError> {
        let limit = Load {
            documents: limits.queue_documents,
            bytes: limits.queue_bytes,
            tokens: limits.queue_tokens,
        };
        let engine = Self {
            admission: Arc::new(Admission::new(limit, Arc::clone(&metrics))),
            readers: Arc::new(Readers::default()),
            inbox: Arc::new(Inbox::default()),
            metrics,
            document: limits.document,
            threads: Mutex::default(),
        };
        for number in 0..limits.readers.max(2) {
            let (readers, inbox) = (Arc::clone(&engine.readers), Arc::clone(&engine.inbox));
            let metrics = Arc::clone(&engine.metrics);
            let takes_long = number > 0;
            engine.spawn(format!("stance-reader-{number}"), move || {
                readers.run(takes_long, &inbox, &metrics);
            })?;
        }
        let worker = Worker {
            inbox: Arc::clone(&engine.inbox),
            readers: Arc::clone(&engine.readers),
            admission: Arc::clone(&engine.admission),
            metrics: Arc::clone(&engine.metrics),
            limits: limits.batch,
        };
        engine.spawn("stance-encoder".to_owned(), move || worker.run())?;
        Ok(engine)
    }

    fn spawn(&self, name: String, life: impl FnOnce() + Send + 'static) -> Result<(), EngineError> {
        let thread = std::thread::Builder::new().name(name).spawn(life)?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    /// Answers documents; one result each, in their order.
    ///
    /// Dropping the future gives the request up: what has not been read yet is skipped.
    ///
    /// # Errors
    /// [`EngineError::QueueFull`] or [`EngineError::ShuttingDown`] at once, without waiting;
    /// [`EngineError::DeadlineExceeded`] when the time is over.
    pub async fn submit(&self, submission: Submission) -> Result<Vec<DocumentOutput>, EngineError> {
        let asked = self.load_of(&submission);
        let permit = asked.span().in_scope(|| self.admission.admit(asked))?;
        self.answer(submission, permit).await
    }

    /// As [`Engine::submit`], but waits for a place while the queue is full.
    ///
    /// # Errors
    /// As [`Engine::submit`]; [`EngineError::QueueFull`] only for what is larger than the queue.
    pub async fn submit_patiently(
        &self,
        submission: Submission,
    ) -> Result<Vec<DocumentOutput>, EngineError> {
        let asked = self.load_of(&submission);
        let admitted = self
            .admission
            .admit_patiently(asked)
            .instrument(asked.span());
        let permit = until(submission.deadline, admitted).await??;
        self.answer(submission, permit).await
    }

    /// Of the documents that will be read: one over its limits costs its place only.
    fn load_of(&self, submission: &Submission) -> Load {
        let limit = self.document.max_text_bytes;
        let bytes = |document: &Document| match document.text.len() {
            bytes if bytes > limit => 0,
            bytes => bytes,
        };
        Load::of(submission.documents.iter().map(bytes))
    }

    async fn answer(
        &self,
        submission: Submission,
        permit: Permit,
    ) -> Result<Vec<DocumentOutput>, EngineError> {
        if submission.documents.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = submission.deadline;
        let (reply, answer) = oneshot::channel();
        let request = Arc::new(Request::new(
            submission.model,
            submission.brief,
            submission.flow,
            deadline,
            submission.documents.len(),
            permit,
            reply,
        ));
        let waiting = Waiting(Arc::clone(&request));
        if request.is_over() {
            return Err(EngineError::DeadlineExceeded);
        }
        for (index, document) in submission.documents.into_iter().enumerate() {
            if let Err(error) = self.document.check(&document) {
                self.metrics.count_document(Err(&error));
                request.settle(index, Err(error));
                continue;
            }
            self.readers.read(Unread {
                request: Arc::clone(&request),
                index,
                document,
            });
        }
        drop(request);
        let results = until(deadline, answer).await;
        drop(waiting);
        results?.map_err(|_| match deadline {
            // The last of its work was dropped in the moment in which its time was over.
            Some(at) if Instant::now() >= at => EngineError::DeadlineExceeded,
            _ => EngineError::WorkerLost,
        })
    }

    /// Whether new requests are admitted.
    pub fn is_open(&self) -> bool {
        self.admission.is_open()
    }

    /// Admits nothing more. What was admitted goes on.
    pub fn close(&self) {
        self.admission.close();
    }

    /// Closes and blocks until everything that was admitted is answered and the threads ended.
    pub fn join(&self) {
        self.close();
        self.admission.wait_until_empty();
        self.stop();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the engine ended by a panic");
            }
        }
    }

    fn stop(&self) {
        self.readers.stop();
        self.inbox.stop();
    }

    /// Documents that wait or are in work.
    pub fn queued_documents(&self) -> usize {
        self.admission.load().documents
    }

    /// Tokens that wait or are in work, estimated until a text is read.
    pub fn queued_tokens(&self) -> usize {
        self.admission.load().tokens
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
        self.stop();
    }
}

async fn until<F: Future>(deadline: Option<Instant>, future: F) -> Result<F::Output, EngineError> {
    match deadline {
        None => Ok(future.await),
        Some(at) => tokio::time::timeout_at(at.into(), future)
            .await
            .map_err(|_| EngineError::DeadlineExceeded),
    }
}

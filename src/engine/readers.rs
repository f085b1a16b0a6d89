//! Threads for what is text: reading documents before the encoder, and writing answers after it.
//!
//! Answers go first, then documents in turns between flows. One thread takes no long document,
//! so that short ones are read while long ones are.

use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::request::{DocumentOutput, Request};
use super::schedule::Ready;
use super::turns::Turns;
use super::worker::Inbox;
use crate::document::Document;
use crate::metrics::Metrics;
use crate::predict::PredictError;
use crate::prediction::DocumentError;

/// Bytes from which a text is long.
const LONG_BYTES: usize = 64 << 10;

/// A document that nobody has read yet.
pub(super) struct Unread {
    pub(super) request: Arc<Request>,
    pub(super) index: usize,
    pub(super) document: Document,
}

#[derive(Default)]
struct Tasks {
    finish: Vec<Ready>,
    short: Turns<Unread>,
    long: Turns<Unread>,
    stopped: bool,
}

/// What the threads take their work from.
#[derive(Default)]
pub(super) struct Readers {
    tasks: Mutex<Tasks>,
    more: Condvar,
}

enum Task {
    Read(Unread),
    Finish(Box<Ready>),
}

impl Task {
    /// The request, and the number of its document.
    fn place(&self) -> (Arc<Request>, usize) {
        match self {
            Self::Read(unread) => (Arc::clone(&unread.request), unread.index),
            Self::Finish(ready) => (Arc::clone(&ready.request), ready.index),
        }
    }
}

impl Readers {
    /// A document to be read.
    pub(super) fn read(&self, unread: Unread) {
        let flow = unread.request.flow.number();
        let mut tasks = self.lock();
        if unread.document.text.len() > LONG_BYTES {
            tasks.long.push(flow, unread);
        } else {
            tasks.short.push(flow, unread);
        }
        drop(tasks);
        // Not `notify_one`: that could be the thread which takes no long document.
        self.more.notify_all();
    }

    /// A document whose windows are all encoded.
    pub(super) fn finish(&self, ready: Ready) {
        self.lock().finish.push(ready);
        self.more.notify_all();
    }

    /// Ends the threads. What is left is dropped.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.more.notify_all();
    }

    /// The life of one thread.
    pub(super) fn run(&self, takes_long: bool, inbox: &Inbox, metrics: &Metrics) {
        while let Some(task) = self.next(takes_long) {
            let (request, index) = task.place();
            let done = catch_unwind(AssertUnwindSafe(|| match task {
                Task::Read(unread) => read(unread, inbox, metrics),
                Task::Finish(ready) => finish(*ready, metrics),
            }));
            if let Err(panic) = done {
                // Dropping it may panic again.
                forget(panic);
                tracing::error!("a reader panicked and starts again");
                metrics.worker_restarts.inc();
                request.settle(index, Err(super::limits::internal_error()));
            }
        }
    }

    fn next(&self, takes_long: bool) -> Option<Task> {
        let mut tasks = self.lock();
        loop {
            if tasks.stopped {
                return None;
            }
            if let Some(ready) = tasks.finish.pop() {
                return Some(Task::Finish(Box::new(ready)));
            }
            if let Some(unread) = tasks.short.pop() {
                return Some(Task::Read(unread));
            }
            if takes_long && let Some(unread) = tasks.long.pop() {
                return Some(Task::Read(unread));
            }
            tasks = self
                .more
                .wait(tasks)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(unread: Unread, inbox: &Inbox, metrics: &Metrics) {
    let Unread {
        request,
        index,
        document,
    } = unread;
    if request.is_over() {
        metrics.dropped_documents.inc();
        return;
    }
    let bytes = document.text.len();
    let started = Instant::now();
    let span = tracing::debug_span!(parent: &request.span, "tokenize", bytes);
    let prepared = span.in_scope(|| caught(|| request.model.prepare(&request.brief, document)));
    if let Err(error) = &prepared {
        metrics.count_document(Err(error));
    }
    metrics
        .read_seconds
        .observe(started.elapsed().as_secs_f64());
    match prepared {
        Ok(prepared) => {
            request.correct(bytes, prepared.tokens());
            inbox.push(Ready::new(request, index, prepared));
        }
        Err(error) => request.settle(index, Err(error)),
    }
}

fn finish(ready: Ready, metrics: &Metrics) {
    let Ready {
        request,
        index,
        prepared,
        answers,
        ..
    } = ready;
    if request.is_over() {
        metrics.dropped_documents.inc();
        return;
    }
    let span = tracing::debug_span!(parent: &request.span, "answer");
    let result: DocumentOutput =
        span.in_scope(|| caught(|| request.model.finish(&prepared, &answers)));
    metrics.count_document(result.as_ref());
    request.settle(index, result);
}

/// An error, or a panic turned into one. The panic's message goes nowhere: it may quote the text.
pub(super) fn caught<T>(
    work: impl FnOnce() -> Result<T, PredictError>,
) -> Result<T, DocumentError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| DocumentError::from(&error)),
        Err(_) => Err(super::limits::internal_error()),
    }
}

//! An admitted request: where its results gather, and whether anybody still wants them.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;
use tracing::Span;

use super::Model;
use super::admission::Permit;
use crate::predict::{Brief, Output};
use crate::prediction::DocumentError;

/// What one document came to.
pub type DocumentOutput = Result<Output, DocumentError>;

/// Whose turn it is: requests of one flow share one turn, so that a stream of many lines gets
/// no more than a single request. A clone is the same flow.
#[derive(Debug, Clone)]
pub struct Flow(Arc<FlowState>);

#[derive(Debug)]
struct FlowState {
    number: u64,
    /// Tokens that were read for it.
    served: AtomicUsize,
}

impl Default for Flow {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(Arc::new(FlowState {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            served: AtomicUsize::new(0),
        }))
    }
}

impl Flow {
    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    pub(super) fn served(&self) -> usize {
        self.0.served.load(Ordering::Relaxed)
    }

    pub(super) fn serve(&self, tokens: usize) {
        self.0.served.fetch_add(tokens, Ordering::Relaxed);
    }
}

struct Gathering {
    results: Vec<Option<DocumentOutput>>,
    missing: usize,
    reply: Option<oneshot::Sender<Vec<DocumentOutput>>>,
    permit: Option<Permit>,
}

/// Shared by the tasks of its documents.
pub(super) struct Request {
    pub(super) model: Arc<dyn Model>,
    pub(super) brief: Arc<Brief>,
    pub(super) flow: Flow,
    /// What was under way when it was handed in: the parent of its spans on every thread.
    pub(super) span: Span,
    deadline: Option<Instant>,
    left: AtomicBool,
    gathering: Mutex<Gathering>,
}

impl Request {
    pub(super) fn new(
        model: Arc<dyn Model>,
        brief: Arc<Brief>,
        flow: Flow,
        deadline: Option<Instant>,
        documents: usize,
        permit: Permit,
        reply: oneshot::Sender<Vec<DocumentOutput>>,
    ) -> Self {
        let gathering = Gathering {
            results: (0..documents).map(|_| None).collect(),
            missing: documents,
            reply: Some(reply),
            permit: Some(permit),
        };
        Self {
            model,
            brief,
            flow,
            span: Span::current(),
            deadline,
            left: AtomicBool::new(false),
            gathering: Mutex::new(gathering),
        }
    }

    /// Whether nobody waits any more: the caller left, or the time is over. What is left of its
    /// work is dropped.
    pub(super) fn is_over(&self) -> bool {
        self.left.load(Ordering::Relaxed) || self.deadline.is_some_and(|at| Instant::now() >= at)
    }

    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    /// Replaces the estimated tokens of a text of so many bytes.
    pub(super) fn correct(&self, bytes: usize, tokens: usize) {
        if let Some(permit) = &mut self.lock().permit {
            permit.correct(bytes, tokens);
        }
    }

    /// Puts a result on its place. The last one frees the place in the queue, then answers; a
    /// caller that left is no error.
    pub(super) fn settle(&self, index: usize, result: DocumentOutput) {
        let mut gathering = self.lock();
        let Some(place) = gathering.results.get_mut(index) else {
            return;
        };
        if place.replace(result).is_some() {
            return;
        }
        gathering.missing -= 1;
        if gathering.missing > 0 {
            return;
        }
        let results = std::mem::take(&mut gathering.results);
        let reply = gathering.reply.take();
        let permit = gathering.permit.take();
        drop(gathering);
        drop(permit);
        if let Some(reply) = reply {
            let _ = reply.send(results.into_iter().flatten().collect());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathering> {
        self.gathering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a request up when the future that waits for it is dropped.
pub(super) struct Waiting(pub(super) Arc<Request>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.leave();
    }
}

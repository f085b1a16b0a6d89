//! What may wait: a count of documents, of bytes and of tokens, given back by dropping the
//! permit.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::EngineError;
use crate::metrics::Metrics;

/// Bytes of text that are taken for a token before the text is read.
pub const BYTES_PER_TOKEN: usize = 4;

/// What was asked for, or what may be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) documents: usize,
    pub(super) bytes: usize,
    pub(super) tokens: usize,
}

impl Load {
    /// Of texts of these lengths in bytes. Tokens are an estimate until the text is read.
    pub(super) fn of(texts: impl Iterator<Item = usize>) -> Self {
        texts.fold(Self::default(), |load, bytes| Self {
            documents: load.documents + 1,
            bytes: load.bytes + bytes,
            tokens: load.tokens + estimate(bytes),
        })
    }

    /// The span of its admission.
    pub(super) fn span(&self) -> tracing::Span {
        tracing::debug_span!("admit", documents = self.documents, bytes = self.bytes)
    }
}

/// Tokens of a text of so many bytes, before it is read.
pub(super) const fn estimate(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

#[derive(Debug)]
struct State {
    load: Load,
    open: bool,
    /// Tokens per second that were reached lately; 0 when nothing was read yet.
    rate: f64,
}

/// The door of the queue.
#[derive(Debug)]
pub(super) struct Admission {
    limit: Load,
    state: Mutex<State>,
    /// Told when a place becomes free, for those who wait patiently.
    freed: Notify,
    /// Told when nothing is left, for [`Admission::wait_until_empty`].
    empty: Condvar,
    metrics: Arc<Metrics>,
}

/// A place in the queue for one request; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    load: Load,
}

impl Admission {
    pub(super) fn new(limit: Load, metrics: Arc<Metrics>) -> Self {
        let state = State {
            load: Load::default(),
            open: true,
            rate: 0.0,
        };
        Self {
            limit,
            state: Mutex::new(state),
            freed: Notify::new(),
            empty: Condvar::new(),
            metrics,
        }
    }

    /// Takes the request in whole, or says why not.
    pub(super) fn admit(self: &Arc<Self>, asked: Load) -> Result<Permit, EngineError> {
        let mut state = self.lock();
        if !state.open {
            return Err(EngineError::ShuttingDown);
        }
        let (load, limit) = (state.load, self.limit);
        let bounds = [
            (
                load.documents,
                asked.documents,
                limit.documents,
                "documents",
            ),
            (load.bytes, asked.bytes, limit.bytes, "bytes of text"),
            (load.tokens, asked.tokens, limit.tokens, "tokens"),
        ];
        let passed = bounds
            .into_iter()
            .find(|(held, more, limit, _)| held.saturating_add(*more) > *limit);
        if let Some((_, _, limit, unit)) = passed {
            return Err(EngineError::QueueFull {
                limit,
                unit,
                retry_after: retry_after(&state),
            });
        }
        state.load.documents += asked.documents;
        state.load.bytes += asked.bytes;
        state.load.tokens += asked.tokens;
        self.publish(&state);
        drop(state);
        Ok(Permit {
            admission: Arc::clone(self),
            load: asked,
        })
    }

    /// As [`Admission::admit`], but waits for a place. What is larger than the whole queue is
    /// refused at once.
    pub(super) async fn admit_patiently(
        self: &Arc<Self>,
        asked: Load,
    ) -> Result<Permit, EngineError> {
        let limit = self.limit;
        let fits = asked.documents <= limit.documents
            && asked.bytes <= limit.bytes
            && asked.tokens <= limit.tokens;
        loop {
            // Listen first, so that a place freed in between is not missed.
            let freed = self.freed.notified();
            match self.admit(asked) {
                Err(EngineError::QueueFull { .. }) if fits => freed.await,
                result => return result,
            }
        }
    }

    pub(super) fn close(&self) {
        self.lock().open = false;
        self.freed.notify_waiters();
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().open
    }

    pub(super) fn load(&self) -> Load {
        self.lock().load
    }

    /// Blocks until nothing is waiting or in work.
    pub(super) fn wait_until_empty(&self) {
        let mut state = self.lock();
        while state.load.documents > 0 {
            state = self
                .empty
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Learns how fast the encoder is.
    pub(super) fn observe(&self, tokens: usize, took: Duration) {
        let rate = tokens as f64 / took.as_secs_f64().max(1e-6);
        let mut state = self.lock();
        state.rate = if state.rate > 0.0 {
            0.9f64.mul_add(state.rate, 0.1 * rate)
        } else {
            rate
        };
    }

    fn publish(&self, state: &State) {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics
            .queue_documents
            .set(gauge(state.load.documents));
        self.metrics.queue_tokens.set(gauge(state.load.tokens));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until half of what waits is read, 1 to 60 seconds.
fn retry_after(state: &State) -> Duration {
    let seconds = if state.rate > 0.0 {
        state.load.tokens as f64 / state.rate / 2.0
    } else {
        1.0
    };
    Duration::from_secs(seconds.ceil().clamp(1.0, 60.0) as u64)
}

impl Permit {
    /// Replaces the estimate for a text of so many bytes by what reading it showed.
    pub(super) fn correct(&mut self, bytes: usize, tokens: usize) {
        let guess = estimate(bytes);
        let mut state = self.admission.lock();
        self.load.tokens = (self.load.tokens + tokens).saturating_sub(guess);
        state.load.tokens = (state.load.tokens + tokens).saturating_sub(guess);
        self.admission.publish(&state);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.admission.lock();
        state.load.documents -= self.load.documents;
        state.load.bytes -= self.load.bytes;
        state.load.tokens = state.load.tokens.saturating_sub(self.load.tokens);
        self.admission.publish(&state);
        if state.load.documents == 0 {
            self.admission.empty.notify_all();
        }
        drop(state);
        self.admission.freed.notify_waiters();
    }
}

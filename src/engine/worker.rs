//! The one thread that drives the encoder.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::Span;

use super::admission::Admission;
use super::limits::internal_error;
use super::readers::{Readers, caught};
use super::schedule::{BatchLimits, Pick, Place, Ready, Schedule};
use crate::metrics::Metrics;
use crate::predict::SequenceAnswer;
use crate::prediction::DocumentError;

#[derive(Default)]
struct Arrivals {
    arrived: Vec<Ready>,
    stopped: bool,
}

/// Documents that were read and that the worker has not looked at yet. Bounded by admission.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<Arrivals>,
    more: Condvar,
}

impl Inbox {
    pub(super) fn push(&self, ready: Ready) {
        self.lock().arrived.push(ready);
        self.more.notify_one();
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.more.notify_one();
    }

    /// What has arrived; waits for something if `patient`. `None` when the worker is to end.
    fn take(&self, patient: bool) -> Option<Vec<Ready>> {
        let mut state = self.lock();
        while patient && state.arrived.is_empty() && !state.stopped {
            state = self
                .more
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopped {
            return None;
        }
        Some(std::mem::take(&mut state.arrived))
    }

    fn lock(&self) -> MutexGuard<'_, Arrivals> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker and those it deals with.
pub(super) struct Worker {
    pub(super) inbox: Arc<Inbox>,
    pub(super) readers: Arc<Readers>,
    pub(super) admission: Arc<Admission>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: BatchLimits,
}

impl Worker {
    /// Works until the inbox is stopped. Should the loop itself panic, everything it held is
    /// answered by an error and it starts anew.
    pub(super) fn run(&self) {
        loop {
            let mut schedule = Schedule::default();
            let ended = catch_unwind(AssertUnwindSafe(|| self.work(&mut schedule)));
            if ended.is_ok() {
                return;
            }
            tracing::error!("the encoder's worker panicked and starts again");
            self.metrics.worker_restarts.inc();
            for ready in schedule.drain() {
                self.settle(&ready, internal_error());
            }
        }
    }

    fn work(&self, schedule: &mut Schedule) {
        while let Some(arrived) = self.inbox.take(schedule.is_empty()) {
            for ready in arrived {
                schedule.push(ready);
            }
            let dropped = schedule.drop_over();
            self.metrics.dropped_documents.inc_by(dropped as u64);
            if schedule.is_empty() {
                continue;
            }
            let pick = schedule.pick(&self.limits);
            self.encode(schedule, &pick);
            for mut ready in schedule.take_complete() {
                match ready.failure.take() {
                    Some(error) => self.settle(&ready, error),
                    None => self.readers.finish(ready),
                }
            }
        }
    }

    fn settle(&self, ready: &Ready, error: DocumentError) {
        self.metrics.count_document(Err(&error));
        ready.request.settle(ready.index, Err(error));
    }

    fn encode(&self, schedule: &mut Schedule, pick: &Pick) {
        for &place in &pick.places {
            if let Some(waited) = schedule.end_wait(place) {
                self.metrics.queue_seconds.observe(waited.as_secs_f64());
            }
        }
        let started = Instant::now();
        let result = attempt(schedule, &pick.places);
        let took = started.elapsed();
        match result {
            Ok(answers) => {
                self.metrics.batch(pick.tokens, pick.budget, took);
                self.admission.observe(pick.tokens, took);
                schedule.store(&pick.places, answers);
            }
            Err(error) => self.apart(schedule, &pick.places, error),
        }
    }

    /// A batch that failed is tried again document by document; only those that fail alone are
    /// given up.
    fn apart(&self, schedule: &mut Schedule, places: &[Place], error: DocumentError) {
        self.metrics.encoder_failures.inc();
        tracing::error!(code = %error.code, windows = places.len(), "the encoder failed");
        let documents = by_document(places);
        if let [only] = documents.as_slice() {
            schedule.fail(only[0], error);
            return;
        }
        for windows in documents {
            match attempt(schedule, &windows) {
                Ok(answers) => schedule.store(&windows, answers),
                Err(error) => schedule.fail(windows[0], error),
            }
        }
    }
}

/// The windows of each document.
fn by_document(places: &[Place]) -> Vec<Vec<Place>> {
    let mut documents: Vec<Vec<Place>> = Vec::new();
    for &place in places {
        match documents.iter_mut().find(|of| of[0].same_document(place)) {
            Some(windows) => windows.push(place),
            None => documents.push(vec![place]),
        }
    }
    documents
}

/// What a pass does after another; each has a span in the trace of every document it serves.
#[derive(Clone, Copy)]
enum Stage {
    Encode,
    Heads,
}

/// The spans of a stage: one for each document, as long as they are held.
fn spans(schedule: &Schedule, places: &[Place], stage: Stage) -> Vec<Span> {
    if !tracing::span_enabled!(tracing::Level::DEBUG) {
        return Vec::new();
    }
    let of_pass = places.len();
    let documents = by_document(places).into_iter().map(|windows| {
        let parent = &schedule.request(windows[0]).span;
        let windows = windows.len();
        match stage {
            Stage::Encode => tracing::debug_span!(parent: parent, "encode", windows, of_pass),
            Stage::Heads => tracing::debug_span!(parent: parent, "heads", windows, of_pass),
        }
    });
    documents.collect()
}

/// One pass; a panic or a wrong number of answers is an error.
fn attempt(schedule: &Schedule, places: &[Place]) -> Result<Vec<SequenceAnswer>, DocumentError> {
    let Some(&first) = places.first() else {
        return Ok(Vec::new());
    };
    let model = &schedule.request(first).model;
    let windows: Vec<_> = places.iter().map(|&place| schedule.window(place)).collect();
    let encode = spans(schedule, places, Stage::Encode);
    let states = caught(|| model.encode(&windows))?;
    drop(encode);
    let heads = spans(schedule, places, Stage::Heads);
    let answers = caught(|| model.ask_heads(&windows, &states))?;
    drop(heads);
    if answers.len() == places.len() {
        Ok(answers)
    } else {
        Err(internal_error())
    }
}

//! Which windows are encoded next: fair shares between flows, bounded by tokens.
//!
//! A flow is *fresh* until a small number of tokens was read for it, and *long-running* from
//! then on. Fresh flows share a batch; long-running flows share a smaller slice; when there are
//! both, batch and slice alternate. So a short request waits for one slice at the most, however
//! long the documents of others are, and a long one goes on however many short ones come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use super::request::{Flow, Request};
use crate::predict::{Prepared, SequenceAnswer};
use crate::prediction::DocumentError;

/// Tokens that one pass of the encoder reads at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// In a pass for fresh flows.
    pub batch_tokens: usize,
    /// In a pass for long-running flows: what a short request may have to wait for.
    pub slice_tokens: usize,
    /// Tokens after which a flow counts as long-running.
    pub fresh_tokens: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            batch_tokens: 4096,
            slice_tokens: 512,
            fresh_tokens: 2048,
        }
    }
}

/// A document that is read and waits for the encoder, with what it said so far.
pub(super) struct Ready {
    pub(super) request: Arc<Request>,
    pub(super) index: usize,
    pub(super) prepared: Prepared,
    /// Of the first windows, in their order.
    pub(super) answers: Vec<SequenceAnswer>,
    pub(super) failure: Option<DocumentError>,
    since: Instant,
    /// The span of its wait, until its first window is picked.
    waiting: Option<Span>,
}

impl Ready {
    pub(super) fn new(request: Arc<Request>, index: usize, prepared: Prepared) -> Self {
        let waiting =
            tracing::debug_span!(parent: &request.span, "queue", tokens = prepared.tokens());
        Self {
            request,
            index,
            answers: Vec::with_capacity(prepared.sequences()),
            prepared,
            failure: None,
            since: Instant::now(),
            waiting: Some(waiting),
        }
    }

    fn is_complete(&self) -> bool {
        self.failure.is_some() || self.answers.len() == self.prepared.sequences()
    }
}

struct Queue {
    flow: Flow,
    documents: VecDeque<Ready>,
}

/// A window that was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    flow: usize,
    document: usize,
    window: usize,
}

impl Place {
    /// Whether both are windows of one document.
    pub(super) fn same_document(self, other: Self) -> bool {
        (self.flow, self.document) == (other.flow, other.document)
    }
}

/// Windows for one pass of the encoder, and the bound they were picked under.
pub(super) struct Pick {
    pub(super) places: Vec<Place>,
    pub(super) tokens: usize,
    pub(super) budget: usize,
}

/// All documents that wait for the encoder.
#[derive(Default)]
pub(super) struct Schedule {
    queues: VecDeque<Queue>,
    long_turn: bool,
}

impl Schedule {
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub(super) fn push(&mut self, ready: Ready) {
        let number = ready.request.flow.number();
        let known = self
            .queues
            .iter_mut()
            .find(|queue| queue.flow.number() == number);
        match known {
            Some(queue) => queue.documents.push_back(ready),
            None => self.queues.push_back(Queue {
                flow: ready.request.flow.clone(),
                documents: VecDeque::from([ready]),
            }),
        }
    }

    /// Drops the documents of requests that nobody waits for; returns how many.
    pub(super) fn drop_over(&mut self) -> usize {
        let mut dropped = 0;
        for queue in &mut self.queues {
            let before = queue.documents.len();
            queue.documents.retain(|ready| !ready.request.is_over());
            dropped += before - queue.documents.len();
        }
        self.queues.retain(|queue| !queue.documents.is_empty());
        dropped
    }

    /// Picks windows, all of one model: one from each flow in turns, while they fit. The first
    /// is always taken.
    pub(super) fn pick(&mut self, limits: &BatchLimits) -> Pick {
        let is_long = |queue: &Queue| queue.flow.served() >= limits.fresh_tokens;
        let (mut any_long, mut any_fresh) = (false, false);
        for queue in &self.queues {
            any_long |= is_long(queue);
            any_fresh |= !is_long(queue);
        }
        let long = any_long && (self.long_turn || !any_fresh);
        self.long_turn = !long;
        let budget = if long {
            limits.slice_tokens
        } else {
            limits.batch_tokens
        };
        if long {
            // Those that were served last stand last.
            let first = self.queues.iter().position(is_long).unwrap_or(0);
            if let Some(queue) = self.queues.remove(first) {
                self.queues.push_back(queue);
            }
        }
        // Fresh flows in the order in which they came: with the least served first, those that
        // keep coming would overtake the second window of all others.
        let mut members: Vec<usize> = (0..self.queues.len())
            .filter(|&at| is_long(&self.queues[at]) == long)
            .collect();
        if long {
            // The one that was moved back above begins.
            members.rotate_right(1);
        }
        let (places, tokens) = self.fill(&members, budget);
        Pick {
            places,
            tokens,
            budget,
        }
    }

    fn fill(&self, members: &[usize], budget: usize) -> (Vec<Place>, usize) {
        let mut places: Vec<Place> = Vec::new();
        let mut tokens = 0;
        let mut cursors: Vec<Option<Place>> = members
            .iter()
            .map(|&flow| {
                let first = self.queues[flow].documents.front()?;
                Some(Place {
                    flow,
                    document: 0,
                    window: first.answers.len(),
                })
            })
            .collect();
        let model = |place: Place| &self.ready(place).request.model;
        loop {
            let before = places.len();
            for cursor in &mut cursors {
                let Some(place) = *cursor else {
                    continue;
                };
                let cost = self.ready(place).prepared.cost(place.window);
                let fits = match places.first() {
                    None => true,
                    Some(&first) => {
                        tokens + cost <= budget && Arc::ptr_eq(model(first), model(place))
                    }
                };
                if fits {
                    places.push(place);
                    tokens += cost;
                    *cursor = self.after(place);
                } else {
                    *cursor = None;
                }
            }
            if places.len() == before {
                break;
            }
        }
        // Windows of like length side by side.
        places.sort_by_key(|&place| {
            let ready = self.ready(place);
            std::cmp::Reverse(ready.prepared.cost(place.window))
        });
        (places, tokens)
    }

    fn after(&self, place: Place) -> Option<Place> {
        let window = place.window + 1;
        if window < self.ready(place).prepared.sequences() {
            return Some(Place { window, ..place });
        }
        let document = place.document + 1;
        let next = self.queues[place.flow].documents.get(document)?;
        Some(Place {
            document,
            window: next.answers.len(),
            ..place
        })
    }

    fn ready(&self, place: Place) -> &Ready {
        &self.queues[place.flow].documents[place.document]
    }

    /// The request of a picked window.
    pub(super) fn request(&self, place: Place) -> &Arc<Request> {
        &self.ready(place).request
    }

    /// The document of a picked window and the window's number, as the model takes them.
    pub(super) fn window(&self, place: Place) -> (&Prepared, usize) {
        (&self.ready(place).prepared, place.window)
    }

    /// Ends the wait of a document whose first window was picked, and says how long it was;
    /// `None` for later windows.
    pub(super) fn end_wait(&mut self, place: Place) -> Option<Duration> {
        let ready = &mut self.queues[place.flow].documents[place.document];
        ready.waiting.take().map(|_| ready.since.elapsed())
    }

    /// Keeps what the encoder said of picked windows.
    pub(super) fn store(&mut self, places: &[Place], answers: Vec<SequenceAnswer>) {
        let mut said: Vec<(Place, SequenceAnswer)> = places.iter().copied().zip(answers).collect();
        said.sort_by_key(|(place, _)| (place.flow, place.document, place.window));
        for (place, answer) in said {
            let queue = &mut self.queues[place.flow];
            let ready = &mut queue.documents[place.document];
            queue.flow.serve(ready.prepared.cost(place.window));
            ready.answers.push(answer);
        }
    }

    /// Gives the document of a picked window up.
    pub(super) fn fail(&mut self, place: Place, error: DocumentError) {
        self.queues[place.flow].documents[place.document].failure = Some(error);
    }

    /// Takes out what is complete or failed.
    pub(super) fn take_complete(&mut self) -> Vec<Ready> {
        let mut complete = Vec::new();
        for queue in &mut self.queues {
            for _ in 0..queue.documents.len() {
                match queue.documents.pop_front() {
                    Some(ready) if ready.is_complete() => complete.push(ready),
                    Some(ready) => queue.documents.push_back(ready),
                    None => {}
                }
            }
        }
        self.queues.retain(|queue| !queue.documents.is_empty());
        complete
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Vec<Ready> {
        self.queues
            .drain(..)
            .flat_map(|queue| queue.documents)
            .collect()
    }
}

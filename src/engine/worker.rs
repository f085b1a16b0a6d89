//! The one thread that reads documents: it takes turns between requests.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;

use crate::document::{Document, Options};
use crate::prediction::DocumentResult;

use super::admission::Permit;
use super::{Classifier, EngineLimits, classify_guarded};

/// An admitted request.
#[derive(Debug)]
pub(super) struct Work {
    pending: VecDeque<Document>,
    results: Vec<DocumentResult>,
    options: Options,
    reply: oneshot::Sender<Vec<DocumentResult>>,
    permit: Permit,
}

impl Work {
    pub(super) fn new(
        documents: Vec<Document>,
        options: Options,
        reply: oneshot::Sender<Vec<DocumentResult>>,
        permit: Permit,
    ) -> Self {
        let results = Vec::with_capacity(documents.len());
        Self {
            pending: documents.into(),
            results,
            options,
            reply,
            permit,
        }
    }

    /// Frees the place in the queue, then answers; a caller that left is no error.
    fn finish(self) {
        drop(self.permit);
        let _ = self.reply.send(self.results);
    }
}

/// Works until every sender is gone and everything admitted is answered.
pub(super) fn run(classifier: &dyn Classifier, queue: &Receiver<Work>, limits: &EngineLimits) {
    let mut active: VecDeque<Work> = VecDeque::new();
    loop {
        if active.is_empty() {
            match queue.recv() {
                Ok(work) => active.push_back(work),
                Err(_) => return,
            }
        }
        active.extend(queue.try_iter());
        active.retain(|work| !work.reply.is_closed());
        round(classifier, &mut active, limits);
    }
}

/// One call of the classifier for documents of as many requests as fit.
fn round(classifier: &dyn Classifier, active: &mut VecDeque<Work>, limits: &EngineLimits) {
    let Some(options) = active.front().map(|work| work.options.clone()) else {
        return;
    };
    let (documents, owners) = collect(active, &options, limits);
    let results = classify_guarded(classifier, &limits.document, documents, &options);
    for (owner, result) in owners.into_iter().zip(results) {
        if let Some(work) = active.get_mut(owner) {
            work.results.push(result);
        }
    }
    for _ in 0..active.len() {
        if let Some(work) = active.pop_front() {
            if work.pending.is_empty() {
                work.finish();
            } else {
                active.push_back(work);
            }
        }
    }
    // The front decides the options of a round: let another be the front.
    if !active.is_empty() {
        active.rotate_left(1);
    }
}

/// Takes documents in turns, one from each request with these options, up to the batch limits.
/// Returns them with the index of the request each belongs to.
fn collect(
    active: &mut VecDeque<Work>,
    options: &Options,
    limits: &EngineLimits,
) -> (Vec<Document>, Vec<usize>) {
    let mut documents = Vec::new();
    let mut owners = Vec::new();
    let mut bytes = 0_usize;
    loop {
        let before = documents.len();
        for (owner, work) in active.iter_mut().enumerate() {
            if work.options != *options {
                continue;
            }
            let Some(next) = work.pending.front() else {
                continue;
            };
            let fits = documents.len() < limits.batch_documents
                && bytes.saturating_add(next.text.len()) <= limits.batch_bytes;
            if !fits && !documents.is_empty() {
                return (documents, owners);
            }
            bytes += next.text.len();
            documents.extend(work.pending.pop_front());
            owners.push(owner);
        }
        if documents.len() == before {
            return (documents, owners);
        }
    }
}

//! Reading, preparing, encoding and writing side by side, on threads with short queues between
//! them: what is in memory does not grow with the archive.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow_array::ArrayRef;

use super::ArchiveError;
use super::chunks::{Chunk, ChunkRow, Position};
use super::source::Source;
use crate::document::{self, Document, Options};
use crate::engine::DocumentLimits;
use crate::predict::{Brief, Group, Predictor, Task};
use crate::prediction::{DocumentError, Prediction};

/// Chunks that may wait between two threads.
const QUEUE: usize = 1;

/// How documents are judged.
pub(super) struct Judge<'a> {
    predictor: &'a Predictor,
    text: Arc<Brief>,
    html: Arc<Brief>,
    limits: DocumentLimits,
}

/// A row with what it came to.
pub(super) struct ScoredRow {
    pub(super) source: usize,
    pub(super) number: u64,
    pub(super) id: Option<String>,
    pub(super) result: Result<Prediction, DocumentError>,
}

/// A chunk with its results.
pub(super) struct Scored {
    pub(super) rows: Vec<ScoredRow>,
    pub(super) extra: Option<ArrayRef>,
    pub(super) ends_part: Option<Position>,
    pub(super) bytes_read: u64,
    pub(super) tokens: u64,
}

/// A chunk whose documents are in a group; the others have their error already.
struct Grouped {
    rows: Vec<(usize, u64, Option<String>, Option<DocumentError>)>,
    group: Group,
    extra: Option<ArrayRef>,
    ends_part: Option<Position>,
    bytes_read: u64,
}

impl<'a> Judge<'a> {
    /// Checks the options.
    ///
    /// # Errors
    /// An option that the model cannot follow.
    pub(super) fn new(
        predictor: &'a Predictor,
        options: &Options,
        limits: DocumentLimits,
    ) -> Result<Self, ArchiveError> {
        let html = Options {
            input: document::InputFormat::Html,
            ..options.clone()
        };
        Ok(Self {
            predictor,
            text: Arc::new(predictor.brief(Task::Full, options.clone())?),
            html: Arc::new(predictor.brief(Task::Full, html)?),
            limits,
        })
    }

    fn group(&self, chunk: Chunk, sources: &[Source]) -> Grouped {
        let mut documents: Vec<(Arc<Brief>, Document)> = Vec::with_capacity(chunk.rows.len());
        let mut rows = Vec::with_capacity(chunk.rows.len());
        for ChunkRow { source, html, row } in chunk.rows {
            let checked = row.document.and_then(|document| {
                self.limits.check(&document)?;
                Ok(document)
            });
            let error = match checked {
                Ok(mut document) => {
                    // A row without a name is named by its place: those that fail leave no gap.
                    document.id.get_or_insert_with(|| {
                        let name = sources.get(source).map_or("", |source| &source.name);
                        format!("{name}:{}", row.number)
                    });
                    let brief = if html { &self.html } else { &self.text };
                    documents.push((Arc::clone(brief), document));
                    None
                }
                Err(error) => Some(error),
            };
            rows.push((source, row.number, row.id, error));
        }
        Grouped {
            rows,
            group: self.predictor.prepare_group(documents),
            extra: chunk.extra,
            ends_part: chunk.ends_part,
            bytes_read: chunk.bytes_read,
        }
    }

    fn finish(&self, grouped: Grouped) -> Scored {
        let tokens = grouped.group.tokens() as u64;
        let mut outputs = self.predictor.finish_group(grouped.group).into_iter();
        let mut next = || {
            let output = outputs.next()?;
            let prediction = output.and_then(crate::predict::Output::into_prediction);
            Some(prediction.map_err(|error| DocumentError::from(&error)))
        };
        let lost = || DocumentError::new("internal_error", "the document got no answer");
        let rows = grouped
            .rows
            .into_iter()
            .map(|(source, number, id, error)| ScoredRow {
                source,
                number,
                id,
                result: match error {
                    Some(error) => Err(error),
                    None => next().unwrap_or_else(|| Err(lost())),
                },
            });
        Scored {
            rows: rows.collect(),
            extra: grouped.extra,
            ends_part: grouped.ends_part,
            bytes_read: grouped.bytes_read,
            tokens,
        }
    }

    /// Scores documents on this thread; one result each, in their order.
    pub(super) fn score(
        &self,
        documents: Vec<Result<Document, DocumentError>>,
    ) -> Vec<Result<Prediction, DocumentError>> {
        let rows = documents
            .into_iter()
            .zip(1..)
            .map(|(document, number)| ChunkRow {
                source: 0,
                html: false,
                row: super::columns::Row {
                    number,
                    // A place of its own, so that no id is made up for it.
                    id: document
                        .as_ref()
                        .ok()
                        .and_then(|document| document.id.clone()),
                    document,
                },
            });
        let chunk = Chunk {
            rows: rows.collect(),
            extra: None,
            ends_part: None,
            bytes_read: 0,
        };
        let mut grouped = self.group(chunk, &[]);
        self.predictor.encode_group(&mut grouped.group);
        let scored = self.finish(grouped).rows.into_iter();
        scored
            .map(|row| {
                row.result.map(|prediction| Prediction {
                    id: row.id,
                    ..prediction
                })
            })
            .collect()
    }
}

/// Scores the chunks, and hands the results to `sink` on this thread in their order. An error of
/// the chunks is returned after what came before it was handed on.
///
/// # Errors
/// Of the chunks, or of the sink.
pub(super) fn run(
    judge: &Judge<'_>,
    sources: &[Source],
    chunks: impl Iterator<Item = Result<Chunk, ArchiveError>> + Send,
    mut sink: impl FnMut(Scored) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    thread::scope(|scope| {
        let (fresh, to_prepare) = sync_channel(QUEUE);
        let (ready, to_encode) = sync_channel(QUEUE);
        let (answered, to_write) = sync_channel::<Grouped>(QUEUE);
        let first = scope.spawn(move || {
            for chunk in chunks {
                if fresh.send(chunk?).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let second = scope.spawn(move || {
            passed(&to_prepare, &ready, |chunk| judge.group(chunk, sources));
        });
        let third = scope.spawn(move || {
            passed(&to_encode, &answered, |mut grouped: Grouped| {
                judge.predictor.encode_group(&mut grouped.group);
                grouped
            });
        });
        let mut wrote = Ok(());
        for grouped in &to_write {
            wrote = sink(judge.finish(grouped));
            if wrote.is_err() {
                break;
            }
        }
        // Those before see that nobody takes their work, and end too.
        drop(to_write);
        let encoded = third.join().map_err(|_| ArchiveError::Lost("encoding"));
        let prepared = second.join().map_err(|_| ArchiveError::Lost("preparing"));
        let read = first.join().unwrap_or(Err(ArchiveError::Lost("reading")));
        wrote.and(encoded).and(prepared).and(read)
    })
}

/// Works on everything that comes, until nothing more does or nobody takes it.
fn passed<A, B>(from: &Receiver<A>, to: &SyncSender<B>, mut work: impl FnMut(A) -> B) {
    for item in from {
        if to.send(work(item)).is_err() {
            break;
        }
    }
}

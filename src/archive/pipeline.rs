//! Reading, preparing, encoding and writing side by side, on threads that hand chunks on to each
//! other: what is in memory does not grow with the archive.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow_array::{ArrayRef, BooleanArray};
use arrow_select::filter::filter;
use serde::Serialize;

use super::ArchiveError;
use super::chunks::{Chunk, ChunkRow, Tail};
use crate::engine::Judge;
use crate::predict::Group;
use crate::prediction::{DocumentError, Prediction};

/// Chunks that may wait between two threads: none but those that the threads hold. Encoding takes
/// longer than all else, so that the next chunk is ready before it is asked for.
const QUEUE: usize = 0;

/// Where a row is from.
struct Place {
    source: Arc<str>,
    number: u64,
    id: Option<String>,
}

/// A chunk on its way, its rows' documents in a group.
struct Grouped {
    places: Vec<Place>,
    group: Group<DocumentError>,
    tail: Tail,
}

/// A chunk with its results.
pub(super) struct Scored {
    places: Vec<Place>,
    results: Vec<Result<Prediction, DocumentError>>,
    pub(super) tail: Tail,
    pub(super) tokens: u64,
}

/// A row that could not be scored, as a line of the file of errors.
#[derive(Debug, Serialize)]
pub(super) struct ErrorLine<'a> {
    source: &'a str,
    row: u64,
    id: Option<&'a str>,
    code: &'a str,
    message: &'a str,
}

/// The results of a chunk, those that failed apart.
pub(super) struct Sorted<'a> {
    /// What was scored.
    pub(super) predictions: Vec<&'a Prediction>,
    /// The further columns of these, as many.
    pub(super) extra: Option<ArrayRef>,
    /// What was not.
    pub(super) errors: Vec<ErrorLine<'a>>,
}

impl ErrorLine<'_> {
    /// Writes the line.
    ///
    /// # Errors
    /// Of `out`.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

impl Scored {
    /// One result per row, in their order, with the id that the row brought.
    pub(super) fn into_rows(
        self,
    ) -> impl Iterator<Item = (Option<String>, Result<Prediction, DocumentError>)> {
        let ids = self.places.into_iter().map(|place| place.id);
        ids.zip(self.results)
    }

    /// The rows that were scored and those that were not.
    ///
    /// # Errors
    /// Further columns that Arrow cannot filter.
    pub(super) fn sorted(&self) -> Result<Sorted<'_>, ArchiveError> {
        let (mut predictions, mut errors) = (Vec::new(), Vec::new());
        for (place, result) in self.places.iter().zip(&self.results) {
            match result {
                Ok(prediction) => predictions.push(prediction),
                Err(error) => errors.push(ErrorLine {
                    source: &place.source,
                    row: place.number,
                    id: place.id.as_deref(),
                    code: &error.code,
                    message: &error.message,
                }),
            }
        }
        let extra = match &self.tail.extra {
            Some(extra) if !errors.is_empty() => {
                let good: BooleanArray = self.results.iter().map(|r| Some(r.is_ok())).collect();
                Some(filter(extra, &good).map_err(ArchiveError::encoding)?)
            }
            extra => extra.clone(),
        };
        Ok(Sorted {
            predictions,
            extra,
            errors,
        })
    }
}

fn group(judge: &Judge<'_>, chunk: Chunk) -> Grouped {
    let mut places = Vec::with_capacity(chunk.rows.len());
    let documents = chunk
        .rows
        .into_iter()
        .map(|ChunkRow { source, html, row }| {
            let document = row.document.map(|mut document| {
                // A row without an id is named by its place: those that fail leave no gap.
                let name = || format!("{source}:{}", row.number);
                document.id.get_or_insert_with(name);
                document
            });
            places.push(Place {
                source,
                number: row.number,
                id: row.id,
            });
            (html, document)
        });
    let group = judge.prepare(documents);
    Grouped {
        places,
        group,
        tail: chunk.tail,
    }
}

fn finish(judge: &Judge<'_>, grouped: Grouped) -> Scored {
    Scored {
        places: grouped.places,
        tokens: grouped.group.tokens() as u64,
        results: judge.finish(grouped.group).collect(),
        tail: grouped.tail,
    }
}

/// Scores a chunk on this thread.
pub(super) fn score(judge: &Judge<'_>, chunk: Chunk) -> Scored {
    let mut grouped = group(judge, chunk);
    judge.encode(&mut grouped.group);
    finish(judge, grouped)
}

/// Scores the chunks, and hands the results to `sink` on this thread in their order. An error of
/// the chunks is returned after what came before it was handed on.
///
/// # Errors
/// Of the chunks, or of the sink.
pub(super) fn run(
    judge: &Judge<'_>,
    chunks: impl Iterator<Item = Result<Chunk, ArchiveError>> + Send,
    mut sink: impl FnMut(&Scored) -> Result<(), ArchiveError>,
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
            passed(&to_prepare, &ready, |chunk| group(judge, chunk));
        });
        let third = scope.spawn(move || {
            passed(&to_encode, &answered, |mut grouped: Grouped| {
                judge.encode(&mut grouped.group);
                grouped
            });
        });
        let mut wrote = Ok(());
        for grouped in &to_write {
            wrote = sink(&finish(judge, grouped));
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

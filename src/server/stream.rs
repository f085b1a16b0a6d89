//! A document per line in, a result per line out, with bounded memory.
//!
//! Lines are read only while there is room for their results: a client that does not take its
//! answers is not read from.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tracing::Instrument as _;
use utoipa::IntoParams;

use crate::document::{Document, InputFormat, OffsetUnit, Options};
use crate::engine::{Flow, Submission};
use crate::predict::Task;
use crate::prediction::{DocumentError, DocumentResult};

use super::classify::result;
use super::extract::{NDJSON, Patience, broken_off, parse, too_slow};
use super::problem::Problem;
use super::state::{AppState, Asked};

/// Lines of one stream that are in work at the same time.
const LINES: usize = 32;

/// Options as they stand in the query: of a stream of lines all that there are, of a JSON body
/// those that hold instead of its own.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OptionQuery {
    /// Name of a model of `/v1/models`.
    #[param(value_type = String, required = false)]
    pub(super) model: Option<String>,
    /// Unit of every span.
    #[param(value_type = OffsetUnit, required = false)]
    offset_unit: Option<OffsetUnit>,
    /// Evidence sentences per actor at the most.
    #[param(value_type = usize, required = false, maximum = 50)]
    max_evidence: Option<usize>,
    /// Actors of a document's own list that its text never mentions and that are judged at the
    /// most.
    #[param(value_type = usize, required = false, maximum = 64)]
    max_unmentioned: Option<usize>,
    /// Actors of the registry to judge, separated by commas.
    #[param(value_type = String, required = false)]
    restrict_to: Option<String>,
    /// Language of topic labels and actor names.
    #[param(value_type = String, required = false)]
    label_language: Option<String>,
    /// Report topics of at least this probability.
    #[param(value_type = f32, required = false, minimum = 0.0, maximum = 1.0)]
    topic_threshold: Option<f32>,
    /// Abstain below this probability of the best stance.
    #[param(value_type = f32, required = false, minimum = 0.0, maximum = 1.0)]
    stance_threshold: Option<f32>,
    /// Set menus, comment forms and repeated headings aside.
    #[param(value_type = bool, required = false)]
    clean: Option<bool>,
    /// What the texts are.
    #[param(value_type = InputFormat, required = false)]
    input: Option<InputFormat>,
    /// Give every sentence that mentions an actor with its stance.
    #[param(value_type = bool, required = false)]
    sentence_scores: Option<bool>,
}

impl OptionQuery {
    /// These options where they are given, and the others elsewhere.
    pub(super) fn over(self, others: Options) -> Options {
        let ids = |ids: String| ids.split(',').map(|id| id.trim().to_owned()).collect();
        Options {
            offset_unit: self.offset_unit.unwrap_or(others.offset_unit),
            max_evidence: self.max_evidence.unwrap_or(others.max_evidence),
            max_unmentioned: self.max_unmentioned.unwrap_or(others.max_unmentioned),
            restrict_to: self.restrict_to.map(ids).or(others.restrict_to),
            label_language: self.label_language.or(others.label_language),
            topic_threshold: self.topic_threshold.or(others.topic_threshold),
            stance_threshold: self.stance_threshold.or(others.stance_threshold),
            clean: self.clean.unwrap_or(others.clean),
            input: self.input.unwrap_or(others.input),
            sentence_scores: self.sentence_scores.unwrap_or(others.sentence_scores),
        }
    }
}

/// Answers a body of lines.
pub(super) fn classify(
    state: &AppState,
    patience: Patience,
    mut query: OptionQuery,
    body: Body,
) -> Result<Response, Problem> {
    let model = query.model.take();
    let options = query.over(Options::default());
    let asked = Arc::new(state.ask(model.as_deref(), Task::Full, options)?);
    let flow = Flow::default();
    let state = state.clone();
    // The answer is written after this function has returned: its lines keep the request's span.
    let span = tracing::Span::current();
    let lines = Lines {
        body: body.into_data_stream(),
        cutter: Cutter {
            limit: state.limits().max_body_bytes,
            ..Cutter::default()
        },
        ended: false,
        patience: state.limits().client_timeout,
        state: state.clone(),
    };
    let results = lines
        .into_stream()
        .map(move |line| {
            answer(
                state.clone(),
                Arc::clone(&asked),
                flow.clone(),
                patience,
                line,
            )
            .instrument(span.clone())
        })
        .buffered(LINES)
        .map(|result| {
            let mut line = serde_json::to_vec(&result).unwrap_or_default();
            line.push(b'\n');
            Ok::<_, Infallible>(line)
        });
    Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(results)).into_response())
}

async fn answer(
    state: AppState,
    asked: Arc<Asked>,
    flow: Flow,
    patience: Patience,
    line: Line,
) -> DocumentResult {
    let failure = |problem: &Problem| {
        let message = format!("line {}: {}", line.number, problem.detail());
        DocumentResult::failure(None, DocumentError::new(problem.code(), message))
    };
    let document = line.content.and_then(|bytes| parse::<Document>(&bytes));
    let document = match document {
        Ok(document) => document,
        Err(problem) => return failure(&problem),
    };
    let id = document.id.clone();
    let submission = Submission {
        model: Arc::clone(&asked.served.model),
        brief: Arc::clone(&asked.brief),
        documents: vec![document],
        deadline: patience.deadline(),
        flow,
    };
    match state.engine().submit_patiently(submission).await {
        Ok(mut outputs) if outputs.len() == 1 => result(id, outputs.remove(0)),
        Ok(_) => failure(&Problem::internal()),
        Err(error) => {
            let message = format!("line {}: {error}", line.number);
            DocumentResult::failure(
                id,
                DocumentError::new(crate::error::ErrorCode::code(&error), message),
            )
        }
    }
}

/// A line of the body, or what befell it.
struct Line {
    /// From 1.
    number: usize,
    content: Result<Vec<u8>, Problem>,
}

/// The lines of a body; empty ones are left out.
struct Lines {
    body: BodyDataStream,
    cutter: Cutter,
    ended: bool,
    patience: Duration,
    state: AppState,
}

/// Cuts what arrives into lines.
#[derive(Default)]
struct Cutter {
    buffer: Vec<u8>,
    /// Bytes of the buffer without a line feed.
    searched: usize,
    number: usize,
    /// Inside a line that was too long.
    skipping: bool,
    limit: usize,
}

impl Lines {
    fn into_stream(self) -> impl Stream<Item = Line> {
        stream::unfold(self, |mut lines| async move {
            let line = lines.next().await?;
            Some((line, lines))
        })
    }

    async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.cutter.cut() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            let chunk = tokio::select! {
                biased;
                () = self.state.stopping() => {
                    return Some(self.end(Problem::shutting_down()));
                }
                chunk = tokio::time::timeout(self.patience, self.body.next()) => chunk,
            };
            match chunk {
                Ok(Some(Ok(bytes))) => self.cutter.buffer.extend_from_slice(&bytes),
                Ok(None) => {
                    self.ended = true;
                    // The last line may do without a line feed.
                    self.cutter.buffer.push(b'\n');
                }
                Ok(Some(Err(_))) => return Some(self.end(broken_off())),
                Err(_) => return Some(self.end(too_slow(self.patience))),
            }
        }
    }

    fn end(&mut self, problem: Problem) -> Line {
        self.ended = true;
        Line {
            number: self.cutter.number + 1,
            content: Err(problem),
        }
    }
}

impl Cutter {
    /// The next line of the buffer that is whole and not empty.
    fn cut(&mut self) -> Option<Line> {
        loop {
            let feed = self.buffer[self.searched..]
                .iter()
                .position(|&byte| byte == b'\n');
            let Some(feed) = feed else {
                if self.skipping {
                    self.buffer.clear();
                }
                self.searched = self.buffer.len();
                if self.buffer.len() <= self.limit {
                    return None;
                }
                self.buffer.clear();
                self.searched = 0;
                self.skipping = true;
                self.number += 1;
                return Some(self.too_long());
            };
            let end = self.searched + feed;
            let rest = self.buffer.split_off(end + 1);
            let mut line = std::mem::replace(&mut self.buffer, rest);
            self.searched = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            self.number += 1;
            line.truncate(end);
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if line.len() > self.limit {
                return Some(self.too_long());
            }
            return Some(Line {
                number: self.number,
                content: Ok(line),
            });
        }
    }

    fn too_long(&self) -> Line {
        let detail = format!("the line is longer than the limit of {} bytes", self.limit);
        Line {
            number: self.number,
            content: Err(Problem::too_large(detail, self.limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a cutter makes of chunks: number and content of each line, `None` when too long.
    fn cut(chunks: &[&[u8]], limit: usize) -> Vec<(usize, Option<Vec<u8>>)> {
        let mut cutter = Cutter {
            limit,
            ..Cutter::default()
        };
        let mut lines = Vec::new();
        for chunk in chunks {
            cutter.buffer.extend_from_slice(chunk);
            while let Some(line) = cutter.cut() {
                lines.push((line.number, line.content.ok()));
            }
        }
        lines
    }

    #[test]
    fn empty_lines_count_and_long_ones_keep_their_place() {
        let long: &[u8] = b"1234567890";
        let lines = cut(&[b"a\n \nb", b"c\n", long, long, b"\nd\n123456\n"], 5);
        let text = |line: &[u8]| Some(line.to_vec());
        assert_eq!(
            lines,
            [
                (1, text(b"a")),
                (3, text(b"bc")),
                (4, None),
                (5, text(b"d")),
                (6, None)
            ]
        );
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_body_arrives(
            body in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'x'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0_usize..200, 0..6),
        ) {
            let body = [body, vec![b'\n']].concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
            let expected: Vec<(usize, Option<Vec<u8>>)> = body
                .split(|&byte| byte == b'\n')
                .enumerate()
                .filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
                .map(|(number, line)| (number + 1, Some(line.to_vec())))
                .collect();
            prop_assert_eq!(cut(&chunks, 1000), expected);
        }
    }
}

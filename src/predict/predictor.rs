//! The model: encoder, heads, tokenizer and registry together.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::assemble::{self, Answer, assemble};
use super::questions::Plan;
use super::reading::{Reading, ReadingOptions};
use super::{PredictError, TopicNames};
use crate::actors::{ActorError, Matcher, Registry};
use crate::document::{Document, Options};
use crate::encoder::dtype::{Dtype, DtypeChoice};
use crate::encoder::files::ModelFiles;
use crate::encoder::hub::HubOptions;
use crate::encoder::load::EncoderParts;
use crate::encoder::tokenizer::TextTokenizer;
use crate::encoder::weights::WeightsReader;
use crate::encoder::{Encoder, batch};
use crate::heads::stance::{Query, StanceHead, StanceLogits, combine};
use crate::heads::topic::TopicHead;
use crate::heads::{HeadsConfig, mean_pool, tensor_shapes, weighted_rows};
use crate::prediction::{ModelInfo, Prediction};

/// Configuration of the heads inside a model folder.
pub const HEADS_CONFIG_FILE: &str = "stance.json";
/// Weights of the heads inside a model folder.
pub const HEADS_FILE: &str = "heads.safetensors";

/// Tokens that go through the encoder together: enough for full matrix products, and an upper
/// bound of what its states take in memory.
const BATCH_TOKENS: usize = 4096;

/// Reads documents: which topics, which actors, which stances.
pub struct Predictor {
    encoder: Box<dyn Encoder>,
    dtype: Dtype,
    tokenizer: TextTokenizer,
    stance: StanceHead,
    topic: TopicHead,
    config: HeadsConfig,
    topics: TopicNames,
    registry: Registry,
    matcher: Matcher,
    info: ModelInfo,
}

/// A window's answers, brought back from the device.
#[derive(Default, Clone)]
struct WindowAnswers {
    pooled: Vec<f32>,
    /// Logits and gate of each of the window's queries.
    queries: Vec<([f32; 3], f32)>,
}

/// One document on its way through the model.
struct Work<'a> {
    reading: Reading,
    matcher: &'a Matcher,
    plan: Plan,
}

impl Work<'_> {
    /// All sequences that the encoder reads: the windows, then the paired ones.
    fn sequences(&self) -> impl Iterator<Item = &[u32]> {
        let windows = self.reading.windows.iter().map(|w| w.ids.as_slice());
        windows.chain(self.plan.paired.iter().map(Vec::as_slice))
    }
}

impl Predictor {
    /// Opens the model that `name` means (`default`, a folder, or a hub id) and builds it.
    ///
    /// # Errors
    /// As [`crate::model::open`] and [`Predictor::from_files`].
    pub fn load(
        name: &str,
        hub: &HubOptions,
        device: &Device,
        registry: Registry,
    ) -> Result<Self, PredictError> {
        Self::load_as(name, hub, device, DtypeChoice::F32, registry)
    }

    /// The same with the encoder in another precision than f32.
    ///
    /// # Errors
    /// As [`Predictor::load`], or a precision that the model cannot be run in here.
    pub fn load_as(
        name: &str,
        hub: &HubOptions,
        device: &Device,
        dtype: DtypeChoice,
        registry: Registry,
    ) -> Result<Self, PredictError> {
        let folder = crate::model::open(name, hub)?;
        let manifest = folder.manifest();
        let info = ModelInfo {
            name: manifest.info.name.clone(),
            version: manifest.info.version.clone(),
            sha256: folder.sha256().to_owned(),
        };
        Self::build(&folder, device, dtype, info, registry)
    }

    /// Builds the model from its files, which `info` names.
    ///
    /// # Errors
    /// When a file is missing or corrupt, or the files do not fit each other.
    pub fn from_files(
        files: &dyn ModelFiles,
        device: &Device,
        info: ModelInfo,
        registry: Registry,
    ) -> Result<Self, PredictError> {
        Self::build(files, device, DtypeChoice::F32, info, registry)
    }

    fn build(
        files: &dyn ModelFiles,
        device: &Device,
        dtype: DtypeChoice,
        info: ModelInfo,
        registry: Registry,
    ) -> Result<Self, PredictError> {
        let parts = EncoderParts::load(files, device)?;
        let (encoder, dtype) = parts.encoder_as(dtype)?;
        let precision = dtype.precision;
        tracing::info!(?precision, reason = dtype.reason, "chose the precision");
        let EncoderParts {
            config, tokenizer, ..
        } = parts;
        let text = files.require(HEADS_CONFIG_FILE)?;
        let heads: HeadsConfig = serde_json::from_slice(&text)
            .map_err(|error| PredictError::InvalidHeads(error.to_string()))?;
        heads
            .validate(config.hidden_size, config.max_tokens())
            .map_err(PredictError::InvalidHeads)?;
        let mut reader = WeightsReader::open_file(files, HEADS_FILE)?;
        let mut weights = HashMap::new();
        for (name, shape) in tensor_shapes(&heads, config.hidden_size) {
            weights.insert(name.clone(), reader.read(&name, Some(&shape), device)?);
        }
        let weights = VarBuilder::from_tensors(weights, DType::F32, device);
        let matcher = Matcher::new(&registry, None)?;
        Ok(Self {
            encoder,
            dtype,
            tokenizer,
            stance: StanceHead::load(&weights, &heads, config.hidden_size)?,
            topic: TopicHead::load(&weights, &heads, config.hidden_size)?,
            config: heads,
            topics: TopicNames::embedded()?,
            registry,
            matcher,
            info,
        })
    }

    /// What the encoder multiplies in, and why.
    pub fn dtype(&self) -> &Dtype {
        &self.dtype
    }

    /// Which model this is.
    pub fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    /// The actors that are looked for when a document brings none.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How the heads were built and calibrated.
    pub fn heads(&self) -> &HeadsConfig {
        &self.config
    }

    /// The encoder.
    pub fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    /// Judges every document; each has its own answer or error, in their order. The windows of
    /// all documents share the encoder's batches.
    pub fn classify(
        &self,
        documents: &[Document],
        options: &Options,
    ) -> Vec<Result<Prediction, PredictError>> {
        if let Err(error) = check(options) {
            let message = |_: &Document| Err(PredictError::shared(&error));
            return documents.iter().map(message).collect();
        }
        let restricted = options
            .restrict_to
            .as_ref()
            .map(|ids| Matcher::new(&self.registry, Some(ids)));
        let own: Vec<Option<Result<Matcher, _>>> = documents
            .par_iter()
            .map(|d| {
                d.actors
                    .as_ref()
                    .map(|specs| Matcher::for_specs(specs, &self.registry))
            })
            .collect();
        let reading_options = ReadingOptions {
            window_tokens: self
                .config
                .window_tokens
                .min(self.encoder.info().max_tokens),
            window_overlap: self.config.window_overlap,
            clean: options.clean,
            unit: options.offset_unit,
        };
        let readings: Vec<_> = documents
            .par_iter()
            .zip(&own)
            .map(|(document, own)| {
                let matcher = choose(own.as_ref(), restricted.as_ref(), &self.matcher)?;
                let reading = Reading::new(document, matcher, &self.tokenizer, &reading_options)?;
                let plan = Plan::new(&reading, matcher, &self.tokenizer, options.max_unmentioned)?;
                Ok(Work {
                    reading,
                    matcher,
                    plan,
                })
            })
            .collect();
        let mut works = Vec::new();
        let mut outcomes: Vec<Result<usize, PredictError>> = Vec::with_capacity(readings.len());
        for reading in readings {
            outcomes.push(reading.map(|work| {
                works.push(work);
                works.len() - 1
            }));
        }
        let answers = self.answer(&works);
        outcomes
            .into_iter()
            .zip(documents)
            .map(|(outcome, document)| {
                let at = outcome?;
                let answer = match &answers {
                    Ok(answers) => &answers[at],
                    Err(error) => return Err(PredictError::shared(error)),
                };
                let work = &works[at];
                let parts = assemble::Parts {
                    document,
                    reading: &work.reading,
                    matcher: work.matcher,
                    plan: &work.plan,
                    answer,
                    config: &self.config,
                    topics: &self.topics,
                    model: &self.info,
                };
                Ok(assemble(&parts, options))
            })
            .collect()
    }

    /// Pooled vectors `[texts][hidden]`, of length 1, of whole texts as they stand: nothing is
    /// set aside, windows are averaged by their tokens.
    ///
    /// # Errors
    /// When a text is empty or too long, or the device fails.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, PredictError> {
        let none = Matcher::for_specs(&[], &self.registry)?;
        let options = ReadingOptions {
            window_tokens: self
                .config
                .window_tokens
                .min(self.encoder.info().max_tokens),
            window_overlap: 0,
            clean: false,
            unit: crate::document::OffsetUnit::Byte,
        };
        let works = texts
            .par_iter()
            .map(|text| {
                let document = Document {
                    text: (*text).to_owned(),
                    ..Document::default()
                };
                let reading = Reading::new(&document, &none, &self.tokenizer, &options)?;
                Ok(Work {
                    reading,
                    matcher: &none,
                    plan: Plan::default(),
                })
            })
            .collect::<Result<Vec<_>, PredictError>>()?;
        let windows = self.read_windows(&works)?;
        let pooled = pool_documents(&works, &windows, self.encoder.info().hidden)?;
        let norm = (pooled.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?;
        Ok(pooled.broadcast_div(&norm)?.to_vec2()?)
    }

    /// Encodes every sequence once and answers the queries about it.
    fn read_windows(&self, works: &[Work]) -> Result<Vec<Vec<WindowAnswers>>, PredictError> {
        let mut places = Vec::new();
        let mut sequences: Vec<&[u32]> = Vec::new();
        for (w, work) in works.iter().enumerate() {
            for (i, ids) in work.sequences().enumerate() {
                places.push((w, i));
                sequences.push(ids);
            }
        }
        let lengths: Vec<usize> = sequences.iter().map(|s| s.len()).collect();
        let mut answers: Vec<Vec<WindowAnswers>> = works
            .iter()
            .map(|work| vec![WindowAnswers::default(); work.sequences().count()])
            .collect();
        for batch in batch::plan(&lengths, BATCH_TOKENS) {
            let members: Vec<(usize, usize)> = batch.iter().map(|&i| places[i]).collect();
            let ids: Vec<&[u32]> = batch.iter().map(|&i| sequences[i]).collect();
            let states = self.encoder.encode(&ids)?;
            let pooled: Vec<Vec<f32>> = mean_pool(&states)?.to_vec2()?;
            let mut queries = Vec::new();
            let mut owners = Vec::new();
            for (slot, &(w, window)) in members.iter().enumerate() {
                answers[w][window].pooled.clone_from(&pooled[slot]);
                for query in asked(&works[w].plan).filter(|q| q.sequence == window) {
                    queries.push(Query {
                        sequence: slot,
                        ..query.clone()
                    });
                    owners.push((w, window));
                }
            }
            if queries.is_empty() {
                continue;
            }
            let said = self.stance.forward(&states, &queries, &|x| Ok(x.clone()))?;
            let logits: Vec<Vec<f32>> = said.logits.to_vec2()?;
            let gates: Vec<f32> = said.gates.to_vec1()?;
            for ((logits, gate), (w, window)) in logits.iter().zip(gates).zip(owners) {
                answers[w][window]
                    .queries
                    .push(([logits[0], logits[1], logits[2]], gate));
            }
        }
        Ok(answers)
    }

    fn answer(&self, works: &[Work]) -> Result<Vec<Answer>, PredictError> {
        if works.is_empty() {
            return Ok(Vec::new());
        }
        let windows = self.read_windows(works)?;
        let pooled = pool_documents(works, &windows, self.encoder.info().hidden)?;
        let pooled = pooled.to_device(&self.encoder.info().device)?;
        let topics: Vec<Vec<f32>> = self.topic.forward(&pooled, &|x| Ok(x.clone()))?.to_vec2()?;
        works
            .iter()
            .zip(&windows)
            .zip(topics)
            .map(|((work, windows), topics)| answer_document(work, windows, topics))
            .collect()
    }
}

/// The actors to look for in a document: its own, else those that the request restricts the
/// registry to, else the whole registry.
fn choose<'a>(
    own: Option<&'a Result<Matcher, ActorError>>,
    restricted: Option<&'a Result<Matcher, ActorError>>,
    registry: &'a Matcher,
) -> Result<&'a Matcher, PredictError> {
    match own.or(restricted) {
        Some(Ok(matcher)) => Ok(matcher),
        Some(Err(error)) => Err(PredictError::shared(error)),
        None => Ok(registry),
    }
}

/// All queries of a document, in the order in which their answers come back per window.
fn asked(plan: &Plan) -> impl Iterator<Item = &Query> {
    plan.actors.iter().flat_map(|q| {
        q.windows
            .iter()
            .chain(q.sentences.iter().map(|(_, query)| query))
    })
}

/// Document vectors `[documents, hidden]`: window vectors weighted by their tokens.
fn pool_documents(
    works: &[Work],
    windows: &[Vec<WindowAnswers>],
    hidden: usize,
) -> Result<Tensor, PredictError> {
    let rows: Vec<f32> = works
        .iter()
        .zip(windows)
        .flat_map(|(work, answers)| &answers[..work.reading.windows.len()])
        .flat_map(|answer| answer.pooled.iter().copied())
        .collect();
    let count = rows.len() / hidden.max(1);
    let rows = Tensor::from_vec(rows, (count, hidden), &Device::Cpu)?;
    let mut groups = Vec::with_capacity(works.len());
    let mut next = 0;
    for work in works {
        let group = work.reading.windows.iter().map(|w| {
            next += 1;
            (next - 1, w.ids.len() as f32)
        });
        groups.push(group.collect::<Vec<_>>());
    }
    Ok(weighted_rows(&rows, &groups)?)
}

fn answer_document(
    work: &Work,
    windows: &[WindowAnswers],
    topics: Vec<f32>,
) -> Result<Answer, PredictError> {
    // Answers stand per window in the order of `asked`; walking `asked` again finds each.
    let mut next = vec![0usize; windows.len()];
    let (mut logits, mut gates) = (Vec::new(), Vec::new());
    for query in asked(&work.plan) {
        let (l, g) = windows[query.sequence].queries[next[query.sequence]];
        next[query.sequence] += 1;
        logits.push(l);
        gates.push(g);
    }
    if logits
        .iter()
        .flatten()
        .chain(&gates)
        .chain(&topics)
        .any(|x| !x.is_finite())
    {
        return Err(PredictError::NotFinite);
    }
    let mut at = 0;
    let (mut groups, mut sentences) = (Vec::new(), Vec::new());
    for questions in &work.plan.actors {
        groups.push((at..at + questions.windows.len()).collect::<Vec<_>>());
        at += questions.windows.len();
        sentences.push(logits[at..at + questions.sentences.len()].to_vec());
        at += questions.sentences.len();
    }
    // Of an actor that was not asked about nothing is known: equal logits.
    let mut actors = vec![[0.0f32; 3]; groups.len()];
    let judged: Vec<usize> = (0..groups.len())
        .filter(|&i| !groups[i].is_empty())
        .collect();
    if !judged.is_empty() {
        let groups: Vec<Vec<usize>> = judged.iter().map(|&i| groups[i].clone()).collect();
        let flat: Vec<f32> = logits.iter().flatten().copied().collect();
        let said = StanceLogits {
            logits: Tensor::from_vec(flat, (logits.len(), 3), &Device::Cpu)?,
            gates: Tensor::from_vec(gates, logits.len(), &Device::Cpu)?,
        };
        let combined: Vec<Vec<f32>> = combine(&said, &groups)?.to_dtype(DType::F32)?.to_vec2()?;
        for (i, row) in judged.into_iter().zip(combined) {
            actors[i] = [row[0], row[1], row[2]];
        }
    }
    Ok(Answer {
        topics,
        actors,
        sentences,
    })
}

fn check(options: &Options) -> Result<(), PredictError> {
    let share = |field: &'static str, value: Option<f32>| match value {
        Some(x) if !(0.0..=1.0).contains(&x) => Err(PredictError::InvalidOption {
            field,
            value: x.to_string(),
            range: "0 to 1",
        }),
        _ => Ok(()),
    };
    share("topic_threshold", options.topic_threshold)?;
    share("stance_threshold", options.stance_threshold)?;
    for (field, value, most, range) in [
        ("max_evidence", options.max_evidence, 50, "0 to 50"),
        ("max_unmentioned", options.max_unmentioned, 64, "0 to 64"),
    ] {
        if value > most {
            let value = value.to_string();
            return Err(PredictError::InvalidOption {
                field,
                value,
                range,
            });
        }
    }
    if let Some(language) = &options.label_language {
        crate::text::parse_language(language)?;
    }
    Ok(())
}

//! Masked language modelling on monolingual text (Devlin et al. 2019, arXiv 1810.04805): a share
//! of the tokens is hidden, and the encoder's state in their place must say which they were. The
//! output matrix is the embedding matrix (Press & Wolf 2017, arXiv 1608.05859); the transform
//! before it is trained along and not part of the model.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Error, Result, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use stance::encoder::tokenizer::TextTokenizer;
use stance::encoder::{Encoder, ops};

use super::draw::Draw;
use super::generator;
use super::params::Params;
use crate::data::corpus::{self, RetrievalTest};
use crate::data::lines::Lines;

/// Weights of the transform begin with this; `pretrain` leaves them out of the model.
pub const PREFIX: &str = "mlm.";

/// Of the hidden tokens, so many become `[MASK]`; half of the rest another token, as BERT does.
const MASKED: f64 = 0.8;

/// Bytes of a line that are tokenized at the most; longer ones are read from a random word on.
const LINE_BYTES: usize = 1200;

const EPS: f64 = 1e-12;

/// What is read and how much the loss counts.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Tokens per step.
    pub tokens: usize,
    /// Weight of the loss.
    pub weight: f64,
    /// Share of the tokens that is hidden.
    pub hidden: f64,
    /// Longest sequence in tokens, special tokens included.
    pub sequence_tokens: usize,
    /// Megabytes of each language that are read at the most.
    pub megabytes: usize,
    /// Languages are drawn in proportion to this power of what was read of them.
    pub power: f64,
    /// Factors on that; languages without an entry get 1.
    pub languages: BTreeMap<String, f64>,
}

/// Id of the token that stands for a hidden one: `[MASK]`, or `<mask>` in vocabularies like XLM-R's.
///
/// # Errors
/// When the tokenizer has neither.
pub fn mask_token(tokenizer: &TextTokenizer) -> Result<u32> {
    let mut names = ["[MASK]", "<mask>"].iter();
    let found = names.find_map(|name| tokenizer.inner().token_to_id(name));
    found.ok_or_else(|| Error::Msg("the tokenizer has neither [MASK] nor <mask>".to_owned()))
}

/// One batch: sequences with hidden tokens, and what was hidden.
pub struct Batch {
    sequences: Vec<Vec<u32>>,
    /// Rows of the packed states, in order.
    rows: Vec<u32>,
    /// The token of each row.
    labels: Vec<u32>,
}

impl Batch {
    /// Tokens that the student reads.
    pub fn tokens(&self) -> usize {
        self.sequences.iter().map(Vec::len).sum()
    }
}

/// Monolingual text, in memory.
pub struct MaskedText {
    languages: Vec<Language>,
    draw: Draw,
    tokenizer: TextTokenizer,
    settings: Settings,
    mask: u32,
    seed: u64,
}

struct Language {
    name: String,
    lines: Vec<String>,
}

impl MaskedText {
    /// Reads `DATA/corpus/mono`, without the sentences of the retrieval test.
    ///
    /// # Errors
    /// When a file cannot be read, or the tokenizer has no `[MASK]`.
    pub fn open(
        data: &Path,
        tokenizer: TextTokenizer,
        settings: &Settings,
        seed: u64,
    ) -> Result<Self> {
        let mask = mask_token(&tokenizer)?;
        let test = RetrievalTest::load(data).map_err(Error::wrap)?;
        let (mut languages, mut chances) = (Vec::new(), Vec::new());
        for file in corpus::mono_files(data).map_err(Error::wrap)? {
            let factor = settings.languages.get(&file.lang).copied().unwrap_or(1.0);
            let (mut lines, mut bytes) = (Vec::new(), 0);
            for line in Lines::open(&file.path).map_err(Error::wrap)? {
                let (_, line) = line.map_err(Error::wrap)?;
                if line.trim().is_empty() || test.contains(&line) {
                    continue;
                }
                bytes += line.len();
                lines.push(line);
                if bytes >= settings.megabytes << 20 {
                    break;
                }
            }
            if !lines.is_empty() && factor > 0.0 {
                languages.push(Language {
                    name: file.lang,
                    lines,
                });
                chances.push((bytes as f64).powf(settings.power) * factor);
            }
        }
        if languages.is_empty() {
            candle_core::bail!("{} holds no text", data.join("corpus/mono").display());
        }
        Ok(Self {
            languages,
            draw: Draw::new("mlm.languages", chances)?,
            tokenizer,
            settings: settings.clone(),
            mask,
            seed,
        })
    }

    /// What was read, for a run's fingerprint: languages and their numbers of lines.
    pub fn summary(&self) -> String {
        let counts = self
            .languages
            .iter()
            .map(|l| format!("{}:{}", l.name, l.lines.len()));
        counts.collect::<Vec<_>>().join(" ")
    }

    /// The batch of a step: it depends on the seed and the step alone.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn draw(&self, step: u64) -> Result<Batch> {
        let mut rng = generator(self.seed, &[b"mlm", &step.to_le_bytes()]);
        let mut batch = Batch {
            sequences: Vec::new(),
            rows: Vec::new(),
            labels: Vec::new(),
        };
        let mut read = 0;
        while read < self.settings.tokens || batch.rows.is_empty() {
            let text = self.text(&mut rng);
            let whole = 0..text.len();
            let mut ids = self
                .tokenizer
                .encode(text, std::slice::from_ref(&whole))
                .map_err(Error::wrap)?
                .ids;
            let room = self.settings.sequence_tokens - self.tokenizer.special_len();
            ids.truncate(room);
            if ids.is_empty() {
                continue;
            }
            self.hide(&mut ids, read, &mut batch, &mut rng);
            let sequence = self.tokenizer.wrap(&ids);
            read += sequence.len();
            batch.sequences.push(sequence);
        }
        Ok(batch)
    }

    /// A stretch of a line of a language, both drawn.
    fn text(&self, rng: &mut ChaCha8Rng) -> &str {
        let lines = &self.languages[self.draw.number(rng)].lines;
        let line = lines[rng.random_range(0..lines.len())].as_str();
        if line.len() <= LINE_BYTES {
            return line;
        }
        let start = line.floor_char_boundary(rng.random_range(0..line.len() - LINE_BYTES));
        let rest = &line[start..line.floor_char_boundary(start + LINE_BYTES)];
        // From the next word on, where there is one.
        rest.split_once(char::is_whitespace)
            .map_or(rest, |(_, rest)| rest)
    }

    /// Hides tokens of a sequence whose first row of the packed states is `start`.
    fn hide(&self, ids: &mut [u32], start: usize, batch: &mut Batch, rng: &mut ChaCha8Rng) {
        let vocabulary = self.tokenizer.vocab_size() as u32;
        for (i, id) in ids.iter_mut().enumerate() {
            if rng.random::<f64>() >= self.settings.hidden {
                continue;
            }
            batch
                .rows
                .push((start + self.tokenizer.prefix_len() + i) as u32);
            batch.labels.push(*id);
            let chance = rng.random::<f64>();
            if chance < MASKED {
                *id = self.mask;
            } else if chance < f64::midpoint(MASKED, 1.0) {
                *id = rng.random_range(0..vocabulary);
            }
        }
    }
}

/// Adds the weights of the transform, where they are missing.
///
/// # Errors
/// When the device refuses the copy.
pub fn init(params: &mut Params, hidden: usize, vocabulary: usize, seed: u64) -> Result<()> {
    if params.iter().any(|(name, _)| name.starts_with(PREFIX)) {
        return Ok(());
    }
    params.init(
        &[
            ("mlm.dense.weight".into(), vec![hidden, hidden]),
            ("mlm.dense.bias".into(), vec![hidden]),
            ("mlm.norm.bias".into(), vec![hidden]),
            ("mlm.decoder.bias".into(), vec![vocabulary]),
        ],
        seed,
    )?;
    let ones = Tensor::ones(hidden, candle_core::DType::F32, &candle_core::Device::Cpu)?;
    params.insert("mlm.norm.weight", &ones)
}

/// Mean cross-entropy of the hidden tokens, a scalar. `weights` holds the transform and
/// `embeddings.word_embeddings.weight` `[vocabulary, hidden]`.
///
/// # Errors
/// When a weight is missing or the device fails.
pub fn loss(
    student: &dyn Encoder,
    weights: &candle_nn::VarBuilder,
    batch: &Batch,
) -> Result<Tensor> {
    let (hidden, vocabulary) = (student.info().hidden, student.info().vocab);
    let get = |shape: (usize, usize), name: &str| weights.get(shape, name);
    let sequences: Vec<&[u32]> = batch.sequences.iter().map(Vec::as_slice).collect();
    let states = student.encode(&sequences).map_err(Error::wrap)?.states;
    let device = states.device();
    let rows = Tensor::from_slice(&batch.rows, batch.rows.len(), device)?;
    let labels = Tensor::from_slice(&batch.labels, batch.labels.len(), device)?;
    let x = states.index_select(&rows, 0)?;
    let x = ops::linear(
        &x,
        &get((hidden, hidden), "mlm.dense.weight")?,
        &weights.get(hidden, "mlm.dense.bias")?,
    )?;
    let x = ops::layer_norm(
        &ops::gelu(&x)?,
        &weights.get(hidden, "mlm.norm.weight")?,
        &weights.get(hidden, "mlm.norm.bias")?,
        EPS,
    )?;
    let logits = ops::linear(
        &x,
        &get((vocabulary, hidden), "embeddings.word_embeddings.weight")?,
        &weights.get(vocabulary, "mlm.decoder.bias")?,
    )?;
    candle_nn::loss::cross_entropy(&logits, &labels)
}

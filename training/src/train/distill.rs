//! Distillation of parallel text: the student reads both sides of a pair, the frozen English
//! teacher the English side.
//!
//! The student's sentence vectors are drawn to the teacher's vector of the English side (Reimers
//! & Gurevych 2020, arXiv 2004.09813) and away from those of the other sentences of the batch
//! (contrastive, van den Oord et al. 2018, arXiv 1807.03748); its token states are drawn to the
//! teacher's states of the English pieces that they are aligned with (in the spirit of Cao et
//! al. 2020, arXiv 2002.03518), which is what the stance head reads later.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{D, Device, Error, Result, Tensor};
use rand::Rng;
use stance::encoder::bert::Bert;
use stance::encoder::cpu::Precision;
use stance::encoder::ops::take;
use stance::encoder::tokenizer::TextTokenizer;
use stance::encoder::{Encoder, TokenStates, offsets_of};
use stance::heads::mean_pool;

use super::draw::Draw;
use super::generator;
use super::params::Params;
use super::pretrain::load_config;
use crate::pairs::{Pair, PairStore};

/// Every pair whose number is divisible by this is held out for validation.
const HELD_OUT: usize = 211;

/// Most held-out pairs per language that a validation reads.
const VALIDATION_PAIRS: usize = 300;

/// What is distilled and how much each term counts.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Products with the teacher's weights.
    #[serde(default)]
    pub teacher_precision: Precision,
    /// Share of pairs whose English side the student reads too.
    pub english_share: f64,
    /// Weight of the token distillation.
    pub token_weight: f64,
    /// Weight of the sentence distillation.
    pub sentence_weight: f64,
    /// Weight of the contrastive term.
    pub contrastive_weight: f64,
    /// Temperature of the contrastive term.
    pub contrastive_temperature: f64,
    /// Relative weight of each language; languages without an entry get `other`.
    pub languages: BTreeMap<String, f64>,
}

/// The tokens that open and close a sequence.
#[derive(Debug, Clone, Copy)]
struct Specials {
    cls: u32,
    sep: u32,
}

impl Specials {
    /// Those of the `tokenizer.json` in a model's folder.
    fn load(folder: &Path) -> Result<Self> {
        let tokenizer = TextTokenizer::load(folder.join("tokenizer.json")).map_err(Error::wrap)?;
        match (tokenizer.cls_id(), tokenizer.sep_id()) {
            (Some(cls), Some(sep)) if tokenizer.special_len() == 2 => Ok(Self { cls, sep }),
            _ => candle_core::bail!(
                "{}: its tokenizer does not put one token before and one after a text",
                folder.display()
            ),
        }
    }

    fn wrap(self, ids: &[u16]) -> Vec<u32> {
        let mut out = Vec::with_capacity(ids.len() + 2);
        out.push(self.cls);
        out.extend(ids.iter().map(|&i| u32::from(i)));
        out.push(self.sep);
        out
    }
}

/// One batch: what each model reads and which states belong together.
pub struct Batch {
    teacher: Vec<Vec<u32>>,
    student: Vec<Vec<u32>>,
    /// Teacher sequence that each student sequence means.
    meaning: Vec<u32>,
    /// Rows of student and teacher states that are aligned.
    student_rows: Vec<u32>,
    teacher_rows: Vec<u32>,
}

impl Batch {
    fn new(pairs: &[Pair], with_english: &[bool], teacher: Specials, student: Specials) -> Self {
        let teacher: Vec<Vec<u32>> = pairs.iter().map(|p| teacher.wrap(&p.teacher)).collect();
        let teacher_offsets = offsets_of(teacher.iter().map(Vec::len));
        let mut batch = Self {
            teacher,
            student: Vec::new(),
            meaning: Vec::new(),
            student_rows: Vec::new(),
            teacher_rows: Vec::new(),
        };
        let mut start = 0;
        for (i, (pair, &english)) in pairs.iter().zip(with_english).enumerate() {
            let mut sides = vec![(&pair.other, &pair.other_links)];
            if english {
                sides.push((&pair.english, &pair.english_links));
            }
            for (ids, links) in sides {
                for &(t, s) in links {
                    batch
                        .teacher_rows
                        .push((teacher_offsets[i] + 1 + usize::from(t)) as u32);
                    batch.student_rows.push((start + 1 + usize::from(s)) as u32);
                }
                batch.meaning.push(i as u32);
                batch.student.push(student.wrap(ids));
                start += ids.len() + 2;
            }
        }
        batch
    }

    /// Tokens that the student reads.
    pub fn tokens(&self) -> usize {
        self.student.iter().map(Vec::len).sum()
    }
}

fn refs(sequences: &[Vec<u32>]) -> Vec<&[u32]> {
    sequences.iter().map(Vec::as_slice).collect()
}

fn encode(encoder: &dyn Encoder, sequences: &[Vec<u32>]) -> Result<TokenStates> {
    encoder.encode(&refs(sequences)).map_err(Error::wrap)
}

fn normalise(x: &Tensor) -> Result<Tensor> {
    x.broadcast_div(&(x.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?)
}

/// The three terms of the loss and their weighted sum, each a scalar.
pub struct Losses {
    /// Squared error of aligned token states, relative to the teacher's mean square.
    pub token: Tensor,
    /// One minus the cosine of sentence vectors.
    pub sentence: Tensor,
    /// Cross-entropy of picking the own sentence among the batch's.
    pub contrastive: Tensor,
    /// The weighted sum.
    pub total: Tensor,
}

fn losses(
    student: &TokenStates,
    teacher: &TokenStates,
    batch: &Batch,
    settings: &Settings,
) -> Result<Losses> {
    let device = student.states.device();
    let rows = |rows: &[u32]| Tensor::from_slice(rows, rows.len(), device);
    let s = take(&student.states, &rows(&batch.student_rows)?)?;
    let t = take(&teacher.states, &rows(&batch.teacher_rows)?)?.detach();
    let token = ((s - &t)?.sqr()?.mean_all()? / t.sqr()?.mean_all()?)?;

    let meanings = normalise(&mean_pool(teacher)?)?.detach();
    let meaning = rows(&batch.meaning)?;
    let vectors = normalise(&mean_pool(student)?)?;
    let cosines = vectors.matmul(&meanings.t()?)?;
    let own = cosines.gather(&meaning.unsqueeze(1)?, 1)?;
    let sentence = (1.0 - own.mean_all()?)?;
    let contrastive =
        candle_nn::loss::cross_entropy(&(cosines / settings.contrastive_temperature)?, &meaning)?;
    let total = ((&token * settings.token_weight)? + (&sentence * settings.sentence_weight)?)?;
    let total = (total + (&contrastive * settings.contrastive_weight)?)?;
    Ok(Losses {
        token,
        sentence,
        contrastive,
        total,
    })
}

/// Pairs and the teacher that explains them.
pub struct Distiller {
    store: PairStore,
    teacher: Bert,
    /// Special tokens of the teacher and the student.
    specials: (Specials, Specials),
    settings: Settings,
    seed: u64,
    languages: Vec<String>,
    draw: Draw,
}

impl Distiller {
    /// Opens `ALIGN/pairs`, the teacher's folder, and the tokenizer in the student's.
    ///
    /// # Errors
    /// When a file is missing or does not fit.
    pub fn open(
        align: &Path,
        teacher: &Path,
        student: &Path,
        settings: &Settings,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let specials = (Specials::load(teacher)?, Specials::load(student)?);
        let store = PairStore::open(&align.join("pairs")).map_err(Error::wrap)?;
        let weights = Params::load(&teacher.join("model.safetensors"), device)?;
        let config = load_config(teacher)?;
        let teacher = Bert::frozen(
            &weights.view(|_| false),
            &config,
            settings.teacher_precision,
        )?;
        let fallback = settings.languages.get("other").copied().unwrap_or(0.0);
        let languages: Vec<String> = store.languages().map(str::to_owned).collect();
        let weight = |l: &String| settings.languages.get(l).copied().unwrap_or(fallback);
        Ok(Self {
            draw: Draw::new("distill.languages", languages.iter().map(weight))?,
            store,
            teacher,
            specials,
            settings: settings.clone(),
            seed,
            languages,
        })
    }

    /// The pairs.
    pub fn store(&self) -> &PairStore {
        &self.store
    }

    /// What the pairs are, for a run's fingerprint: languages and their numbers of pairs.
    pub fn summary(&self) -> String {
        let counts = self
            .languages
            .iter()
            .map(|l| format!("{l}:{}", self.store.len(l)));
        counts.collect::<Vec<_>>().join(" ")
    }

    fn pair(&self, language: &str, index: usize) -> Result<Pair> {
        self.store
            .get(language, index)
            .ok_or_else(|| Error::Msg(format!("pair {index} of {language} cannot be read")))
    }

    /// The batch of a step: it depends on the seed and the step alone.
    ///
    /// # Errors
    /// When the store is corrupt.
    pub fn draw(&self, step: u64, tokens: usize) -> Result<Batch> {
        let mut rng = generator(self.seed, &[b"parallel", &step.to_le_bytes()]);
        let (mut pairs, mut english, mut read) = (Vec::new(), Vec::new(), 0);
        while read < tokens {
            let name = &self.languages[self.draw.number(&mut rng)];
            let index = rng.random_range(0..self.store.len(name));
            if index % HELD_OUT == 0 {
                continue;
            }
            let pair = self.pair(name, index)?;
            let both = rng.random::<f64>() < self.settings.english_share;
            read += pair.other.len() + 2 + if both { pair.english.len() + 2 } else { 0 };
            pairs.push(pair);
            english.push(both);
        }
        Ok(self.batch(&pairs, &english))
    }

    fn batch(&self, pairs: &[Pair], with_english: &[bool]) -> Batch {
        let (teacher, student) = self.specials;
        Batch::new(pairs, with_english, teacher, student)
    }

    /// The loss of `student` on a batch.
    ///
    /// # Errors
    /// When the device fails.
    pub fn losses(&self, student: &dyn Encoder, batch: &Batch) -> Result<Losses> {
        let teacher = encode(&self.teacher, &batch.teacher)?;
        losses(
            &encode(student, &batch.student)?,
            &teacher,
            batch,
            &self.settings,
        )
    }

    /// Share of held-out sentences of each language whose nearest English teacher vector is
    /// their own, and the mean relative error of aligned token states.
    ///
    /// # Errors
    /// When the store is corrupt or the device fails.
    pub fn validate(&self, student: &dyn Encoder) -> Result<Vec<(String, f64)>> {
        let mut out = Vec::new();
        let (mut errors, mut batches) = (0.0, 0.0);
        for language in &self.languages {
            let (mut own, mut theirs) = (Vec::new(), Vec::new());
            let numbers = (0..self.store.len(language)).step_by(HELD_OUT);
            let held: Vec<usize> = numbers.take(VALIDATION_PAIRS).collect();
            for chunk in held.chunks(50) {
                let pairs: Vec<Pair> = chunk
                    .iter()
                    .map(|&i| self.pair(language, i))
                    .collect::<Result<_>>()?;
                let batch = self.batch(&pairs, &vec![false; pairs.len()]);
                let student = encode(student, &batch.student)?;
                let teacher = encode(&self.teacher, &batch.teacher)?;
                let loss = losses(&student, &teacher, &batch, &self.settings)?;
                errors += f64::from(loss.token.to_scalar::<f32>()?);
                batches += 1.0;
                own.push(normalise(&mean_pool(&student)?)?);
                theirs.push(normalise(&mean_pool(&teacher)?)?);
            }
            let (own, theirs) = (Tensor::cat(&own, 0)?, Tensor::cat(&theirs, 0)?);
            let nearest: Vec<u32> = own.matmul(&theirs.t()?)?.argmax(1)?.to_vec1()?;
            let hits = nearest
                .iter()
                .enumerate()
                .filter(|(i, n)| *i == **n as usize)
                .count();
            out.push((
                format!("top1_{language}"),
                hits as f64 / nearest.len() as f64,
            ));
        }
        out.push(("token_error".into(), errors / f64::max(batches, 1.0)));
        Ok(out)
    }
}

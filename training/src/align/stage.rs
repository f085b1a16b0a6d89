//! The order of the work: languages in parallel, then the embeddings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use super::base;
use super::corpus::{self, Dropped, Tokenizers};
use super::counts::{Counts, by_student};
use super::embed::{self, Summary, Teacher};
use super::model::{Aligner, Sentences};
use super::{AlignError, Args};
use crate::data::DataError;
use crate::data::corpus::{CorpusFile, RetrievalTest, mono_files, parallel_files};
use crate::data::lines::{self, Lines};
use crate::pairs::PairWriter;

/// Links that the pair store keeps have at least this weight.
const STORED_WEIGHT: f32 = 0.15;

/// Parts in which English text is counted.
const ENGLISH_PARTS: usize = 16;

/// Words whose translations are printed, for people to judge.
const SHOWN: [&str; 18] = [
    "▁الحرب",
    "▁سوريا",
    "▁الرييس",
    "▁روسيا",
    "▁الحكومه",
    "▁ضد",
    "▁جيد",
    "▁война",
    "▁президент",
    "▁правительство",
    "▁против",
    "▁كشور",
    "▁دولت",
    "▁جنگ",
    "中国",
    "政府",
    "战争",
    "▁savaş",
];

/// What happened to one language.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LanguageReport {
    /// Pairs in the store.
    pub pairs: usize,
    /// Pairs left out, by reason.
    pub dropped: Dropped,
    /// Teacher tokens.
    pub teacher_tokens: usize,
    /// Student tokens of the other side.
    pub other_tokens: usize,
    /// Links between them.
    pub links: usize,
    /// Share of teacher tokens with a link.
    pub linked: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    tokenizer_sha256: String,
    base_sha256: String,
    languages: BTreeMap<String, LanguageReport>,
    /// Absent where the base keeps its own.
    embeddings: Option<Summary>,
}

/// Runs the stage: `pairs/<lang>.bin`, `init/` and `report.json` under `--out`.
pub fn run(args: &Args) -> Result<(), AlignError> {
    let started = Instant::now();
    let teacher_path = args.base.join("tokenizer.json");
    let tokenizers = Tokenizers::load(&teacher_path, &args.tokenizer)?;
    let test = RetrievalTest::load(&args.data)?;
    let folder = args.out.join("pairs");
    std::fs::create_dir_all(&folder).map_err(|error| DataError::io(&folder, error))?;
    let mut files = parallel_files(&args.data)?;
    if let Some(languages) = &args.languages {
        files.retain(|file| languages.contains(&file.lang));
    }
    // Large files first, so that no thread is left with one at the end.
    files.sort_by_key(|file| {
        std::cmp::Reverse(std::fs::metadata(&file.path).map_or(0, |metadata| metadata.len()))
    });
    let done = Mutex::new(BTreeMap::new());
    let next = Mutex::new(files.into_iter());
    let work = || -> Result<(), AlignError> {
        loop {
            let file = next.lock().ok().and_then(|mut files| files.next());
            let Some(file) = file else { return Ok(()) };
            let (counts, report) = align(&file, &tokenizers, &test, args.iterations, &folder)?;
            println!(
                "{:>5.0} s  {}: {} pairs, {:.0}% of teacher tokens linked, dropped {:?}",
                started.elapsed().as_secs_f32(),
                file.lang,
                report.pairs,
                100.0 * report.linked,
                report.dropped,
            );
            if let Ok(mut done) = done.lock() {
                done.insert(file.lang, (counts, report));
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    // In the order of the languages, so that sums do not depend on which came first.
    let mut counts = Counts::default();
    let mut languages = BTreeMap::new();
    for (lang, (counted, report)) in done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
    {
        counts.merge(counted);
        languages.insert(lang, report);
    }
    let embeddings = if args.pairs_only {
        None
    } else {
        counts.merge(english(args, &tokenizers, &test)?);
        let summary = embed(args, &tokenizers, &counts)?;
        println!(
            "{:>5.0} s  embeddings: {summary:?}",
            started.elapsed().as_secs_f32()
        );
        Some(summary)
    };
    let report = Report {
        tokenizer_sha256: lines::sha256(&args.tokenizer)?,
        base_sha256: lines::sha256(&args.base.join("model.safetensors"))?,
        languages,
        embeddings,
    };
    lines::write_json(&args.out.join("report.json"), &report)?;
    Ok(())
}

/// Starts the new pieces' embeddings and writes `init/`.
fn embed(args: &Args, tokenizers: &Tokenizers, counts: &Counts) -> Result<Summary, AlignError> {
    let rows = base::load_embeddings(&args.base)?;
    let teacher = Teacher::new(&tokenizers.teacher, &rows);
    let vocabulary: Vec<String> = (0..tokenizers.student.get_vocab_size(true) as u32)
        .map(|id| tokenizers.student.id_to_token(id).unwrap_or_default())
        .collect();
    show(&vocabulary, &teacher, counts);
    let (embeddings, summary) = embed::initialise(&vocabulary, &teacher, counts);
    base::save(
        &args.base,
        &args.tokenizer,
        &embeddings,
        &args.out.join("init"),
    )?;
    Ok(summary)
}

fn align(
    file: &CorpusFile,
    tokenizers: &Tokenizers,
    test: &RetrievalTest,
    iterations: usize,
    folder: &Path,
) -> Result<(Counts, LanguageReport), AlignError> {
    let (mut pairs, dropped) = corpus::read(&file.path, tokenizers, test)?;
    let mut report = LanguageReport {
        pairs: pairs.len(),
        dropped,
        ..LanguageReport::default()
    };
    let mut counts = Counts::default();
    let sentences: Vec<Sentences<'_>> = pairs
        .iter()
        .map(|pair| Sentences {
            teacher: &pair.teacher,
            other: &pair.other,
        })
        .collect();
    let aligner = Aligner::train(&sentences, iterations);
    let mut linked = 0;
    let stored: Vec<Vec<(u16, u16)>> = sentences
        .iter()
        .zip(&pairs)
        .enumerate()
        .map(|(number, (sentence, pair))| {
            let links = aligner.links(number, *sentence, super::counts::LEARNING_WEIGHT);
            counts.add_links(pair, &links);
            let stored: Vec<(u16, u16)> = links
                .iter()
                .filter(|link| link.weight >= STORED_WEIGHT)
                .map(|link| (link.teacher as u16, link.other as u16))
                .collect();
            linked += stored.chunk_by(|left, right| left.0 == right.0).count();
            stored
        })
        .collect();
    drop(sentences);
    drop(aligner);
    counts.set_rates(pairs.iter().map(|pair| pair.other.as_slice()));
    let mut writer = PairWriter::new();
    for (pair, links) in pairs.iter_mut().zip(stored) {
        report.teacher_tokens += pair.teacher.len();
        report.other_tokens += pair.other.len();
        report.links += links.len();
        pair.other_links = links;
        let shared: Vec<_> = pair
            .english_links
            .iter()
            .map(|&(teacher, student)| {
                (
                    pair.teacher[usize::from(teacher)],
                    pair.english[usize::from(student)],
                    1.0,
                )
            })
            .collect();
        counts.add_english(&pair.english, &shared);
        writer.push(pair)?;
    }
    report.linked = f64::from(linked as u32) / report.teacher_tokens.max(1) as f64;
    writer.finish(&folder.join(format!("{}.bin", file.lang)))?;
    Ok((counts, report))
}

/// English text without translation, every so many lines.
fn english(
    args: &Args,
    tokenizers: &Tokenizers,
    test: &RetrievalTest,
) -> Result<Counts, AlignError> {
    let mut counts = Counts::default();
    let wanted = args.english_megabytes * 1_000_000;
    for file in mono_files(&args.data)?
        .iter()
        .filter(|file| file.lang == "en")
    {
        let total: usize = Lines::open(&file.path)?
            .try_fold(0, |sum, line| line.map(|(_, text)| sum + text.len()))?;
        let every = total.div_ceil(wanted.max(1)).max(1);
        let texts: Vec<String> = Lines::open(&file.path)?
            .step_by(every)
            .map(|line| line.map(|(_, text)| text))
            .filter(|text| !text.as_ref().is_ok_and(|text| test.contains(text)))
            .collect::<Result<_, _>>()?;
        let parts: Vec<Counts> = texts
            .par_chunks(texts.len().div_ceil(ENGLISH_PARTS).max(1))
            .map(|texts| {
                let mut counts = Counts::default();
                for text in texts {
                    let (ids, shared) = tokenizers.english(text)?;
                    counts.add_english(&ids, &shared);
                }
                Ok(counts)
            })
            .collect::<Result<_, AlignError>>()?;
        for counted in parts {
            counts.merge(counted);
        }
    }
    Ok(counts)
}

fn show(vocabulary: &[String], teacher: &Teacher<'_>, counts: &Counts) {
    let grouped = by_student(&counts.translated);
    for piece in SHOWN {
        let Some(id) = vocabulary.iter().position(|candidate| candidate == piece) else {
            continue;
        };
        let Some(weights) = grouped.get(&(id as u16)) else {
            continue;
        };
        let total: f32 = weights.iter().map(|(_, weight)| weight).sum();
        let best: Vec<String> = weights
            .iter()
            .take(3)
            .map(|&(id, weight)| format!("{} {:.2}", teacher.token(id), weight / total))
            .collect();
        println!("{piece:>16} {total:>8.0}  {}", best.join(", "));
    }
}

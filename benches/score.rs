//! What an archive takes beside its encoder: `cargo bench --bench score`.
//!
//! `stance score` on a file of documents, and, in turns with it, the encoder alone on the same
//! windows in batches of the same size. Ratios are of medians; what is between the two is
//! finding sentences and actors, the heads, and writing. Then the same texts with a name at every tenth
//! word, of which a document asks for one, ten or a hundred. `STANCE_MODEL` names another model,
//! `STANCE_DTYPE` another precision, `RAYON_NUM_THREADS` the threads; `STANCE_BENCH_ROUNDS` and
//! `STANCE_BENCH_DOCUMENTS` (of 300 words) make it shorter or longer.

#![allow(clippy::unwrap_used)] // a bench stops where it fails

#[path = "clock/mod.rs"]
mod clock;

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use stance::actors::Registry;
use stance::archive::columns::Columns;
use stance::archive::progress::ProgressKind;
use stance::archive::{Destination, OutputFormat, ScoreOptions, score};
use stance::document::{ActorSpec, Document, Options};
use stance::encoder::batch;
use stance::encoder::dtype::DtypeChoice;
use stance::encoder::hub::HubOptions;
use stance::engine::DocumentLimits;
use stance::predict::{BATCH_TOKENS, Predictor, Prepared, Task};

use clock::{Taken, timed};

// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A language and a text in it.
const EXAMPLES: [(&str, &str); 2] = [
    ("en", include_str!("../examples/en.txt")),
    ("ar", include_str!("../examples/ar.txt")),
];

/// Texts of so many words, each beginning elsewhere in an example.
fn texts(example: &str, words: usize, count: usize) -> Vec<String> {
    let all: Vec<&str> = example.split_whitespace().collect();
    (0..count)
        .map(|number| {
            let words = (0..words).map(|i| all[(number * 3 + i) % all.len()]);
            words.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// The windows of all documents, as the archive cuts them.
fn prepared(model: &Predictor, documents: &[Document]) -> Vec<Prepared> {
    let brief = Arc::new(model.brief(Task::Full, Options::default()).unwrap());
    let prepare = |document: &Document| model.prepare(&brief, document.clone()).unwrap();
    documents.iter().map(prepare).collect()
}

/// The name of an actor that no text has by itself.
fn invented(number: usize) -> String {
    format!("Qandor{number}")
}

/// The text with an invented name behind every tenth word, asking for the first so many of them.
fn with_actors(text: &str, actors: usize) -> Document {
    let words: Vec<&str> = text.split_whitespace().collect();
    let parts = words.chunks(10).enumerate();
    let parts: Vec<String> = parts
        .map(|(number, part)| format!("{} {}", part.join(" "), invented(number)))
        .collect();
    let asked = (0..actors).map(|number| ActorSpec {
        id: number.to_string(),
        names: vec![invented(number)],
        spans: None,
    });
    Document {
        text: parts.join(" "),
        actors: Some(asked.collect()),
        ..Document::default()
    }
}

/// How much longer `stance score` takes for more actors in the same texts.
fn growth(model: &Predictor, rounds: usize, count: usize) {
    const ASKED: [usize; 3] = [1, 10, 100];
    println!("\nlanguage  actors  score ms  × one actor  by CPU time");
    for (language, example) in EXAMPLES {
        let texts = texts(example, 1000, count);
        let folders = ASKED.map(|_| tempfile::tempdir().unwrap());
        for (folder, actors) in folders.iter().zip(ASKED) {
            let documents: Vec<Document> =
                texts.iter().map(|text| with_actors(text, actors)).collect();
            write(folder.path(), &documents);
        }
        let mut times = ASKED.map(|_| Vec::new());
        for round in 0..=rounds {
            for (folder, times) in folders.iter().zip(&mut times) {
                let ((), taken) = timed(|| whole(model, folder.path(), count));
                if round > 0 {
                    times.push(taken);
                }
            }
        }
        let one = &times[0];
        for (actors, taken) in ASKED.iter().zip(&times) {
            let ratio = |of: fn(&Taken) -> f64| median(taken, of) / median(one, of);
            println!(
                "{language:>8}  {actors:>6}  {:>8.2}  {:>11.3}  {:>11.3}",
                median(taken, |t| t.wall) * 1e3 / count as f64,
                ratio(|t| t.wall),
                ratio(|t| t.cpu),
            );
        }
    }
}

/// Documents as `stance score` reads them.
fn write(folder: &Path, documents: &[Document]) {
    let lines: Vec<String> = documents
        .iter()
        .map(|document| serde_json::to_string(document).unwrap())
        .collect();
    fs::write(folder.join("in.jsonl"), lines.join("\n")).unwrap();
}

/// The encoder alone; how many tokens it read.
fn encoder_alone(model: &Predictor, documents: &[Prepared]) -> usize {
    let places: Vec<(&Prepared, usize)> = documents
        .iter()
        .flat_map(|document| (0..document.sequences()).map(move |index| (document, index)))
        .collect();
    let lengths: Vec<usize> = places.iter().map(|(d, index)| d.cost(*index)).collect();
    for members in batch::plan(&lengths, BATCH_TOKENS) {
        let sequences: Vec<_> = members.into_iter().map(|at| places[at]).collect();
        black_box(model.encode(&sequences).unwrap());
    }
    lengths.iter().sum()
}

/// `stance score`, without the start of the program.
fn whole(model: &Predictor, folder: &Path, documents: usize) {
    let options = ScoreOptions {
        inputs: vec![folder.join("in.jsonl").to_string_lossy().into_owned()],
        input_format: None,
        columns: Columns::default(),
        actors: None,
        options: Options::default(),
        limits: DocumentLimits::default(),
        destination: Destination::Path {
            path: folder.join("out.jsonl"),
            folder: false,
        },
        format: OutputFormat::Jsonl,
        errors: None,
        part_rows: 10_000,
        max_errors: None,
        overwrite: true,
        progress: ProgressKind::None,
    };
    let summary = score(model, &options).unwrap();
    assert_eq!(summary.scored, documents as u64);
}

fn median(times: &[Taken], of: fn(&Taken) -> f64) -> f64 {
    let mut values: Vec<f64> = times.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

fn main() {
    let name = std::env::var("STANCE_MODEL").unwrap_or_else(|_| "default".to_owned());
    let dtype =
        std::env::var("STANCE_DTYPE").map_or(DtypeChoice::F32, |name| name.parse().unwrap());
    let rounds = number("STANCE_BENCH_ROUNDS", 5);
    let usual = number("STANCE_BENCH_DOCUMENTS", 60);
    let device = candle_core::Device::Cpu;
    let registry = Registry::embedded().clone();
    let hub = HubOptions::default();
    let model = Predictor::load_as(&name, &hub, &device, dtype, registry).unwrap();
    let threads = rayon::current_num_threads();
    println!(
        "{} {}, {dtype:?}, {threads} threads, {rounds} rounds",
        model.info().name,
        model.info().version
    );
    println!(
        "language  words  documents  tokens  encoder ms  score ms  score/encoder  by CPU time"
    );
    for (language, example) in EXAMPLES {
        for words in [50, 300, 1000] {
            let count = (usual * 300).div_ceil(words);
            let texts = texts(example, words, count);
            let folder = tempfile::tempdir().unwrap();
            let plain = texts.into_iter().map(|text| Document {
                text,
                ..Document::default()
            });
            let plain: Vec<Document> = plain.collect();
            write(folder.path(), &plain);
            let documents = prepared(&model, &plain);
            let (mut alone, mut all, mut tokens) = (Vec::new(), Vec::new(), 0);
            for round in 0..=rounds {
                let (read, encoder) = timed(|| encoder_alone(&model, &documents));
                let ((), scored) = timed(|| whole(&model, folder.path(), count));
                tokens = read;
                if round > 0 {
                    alone.push(encoder);
                    all.push(scored);
                }
            }
            let per = 1e3 / count as f64;
            let (encoder, scored) = (median(&alone, |t| t.wall), median(&all, |t| t.wall));
            let by_cpu = median(&all, |t| t.cpu) / median(&alone, |t| t.cpu);
            println!(
                "{language:>8}  {words:>5}  {count:>9}  {tokens:>6}  {:>10.2}  {:>8.2}  {:>13.3}  {by_cpu:>11.3}",
                encoder * per,
                scored * per,
                scored / encoder,
            );
        }
    }
    growth(&model, rounds, (usual * 300).div_ceil(1000));
}

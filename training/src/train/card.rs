//! Stage `card`: the model card, generated from what the stages and the evaluation wrote, so
//! that every number in it is one that a command printed.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use candle_core::Result;
use serde_json::Value;

/// The parts of the card that no file holds: what the model is for and must not be used for.
const FIXED: &str = include_str!("card.md");

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model folder that `export` wrote; `MODEL_CARD.md` goes there. Export once more afterwards,
    /// so that the manifest names the card.
    #[arg(long, default_value = "models/default")]
    pub model: PathBuf,
    /// Output of `prepare`, for the counts of rows.
    #[arg(long)]
    pub prep: PathBuf,
    /// Runs of `pretrain` and `finetune`, in this order, for their budgets.
    #[arg(long, num_args = 1..)]
    pub run: Vec<PathBuf>,
    /// A result file of `stance-eval run`.
    #[arg(long)]
    pub results: PathBuf,
    /// The command that printed the results.
    #[arg(long)]
    pub command: String,
}

/// Sets that train the shipped weights, with language and licence.
const LICENCES: [(&str, &str, &str); 27] = [
    ("newsmtsc", "en", "MIT"),
    ("rusentne", "ru", "MIT"),
    ("exaasc", "ar", "Apache-2.0"),
    ("arabicstancex", "ar", "CC BY 4.0"),
    ("fignews", "ar en fr he hi", "MIT"),
    ("senticoref", "sl", "CC BY-SA 4.0"),
    ("narrative_framing", "en", "MIT"),
    ("pstance", "en", "MIT (code)"),
    ("ans", "ar", "Apache-2.0"),
    ("persent", "en", "CC BY 4.0"),
    ("sib200", "26 varieties", "Apache-2.0, texts CC BY-SA"),
    ("sanad_khaleej", "ar", "CC BY 4.0"),
    (
        "hespress_jazeera",
        "ar",
        "not stated where the set was found",
    ),
    ("ant_corpus", "ar", "not stated where the set was found"),
    ("masakhanews", "en fr", "not stated where the set was found"),
    ("ttc3600", "tr", "not stated where the set was found"),
    ("hakan_tr500", "tr", "not stated where the set was found"),
    ("ir_news_fa", "fa", "not stated where the set was found"),
    (
        "fa_fars_varzesh_namnak",
        "fa",
        "not stated where the set was found",
    ),
    ("1tv_ru_rubric", "ru", "not stated where the set was found"),
    (
        "templates",
        "15 languages",
        "Apache-2.0, `training/templates/stance.jsonl` of this project",
    ),
    (
        "template_documents",
        "ar en fa fr ru tr",
        "the same sentences inside articles of the sets above, under the articles' licences",
    ),
    (
        "annotated_passages",
        "15 languages",
        "labels Apache-2.0, `training/annotations/` of this project; texts as mono text, below",
    ),
    (
        "annotated_documents",
        "ar, some en es fa tr and others",
        "the same",
    ),
    (
        "parallel text",
        "en with 17 languages",
        "Tatoeba CC BY, TICO-19 CC0, WMT, STS-B, Mintaka, XQuAD, UD-PUD, Europarl, MIT",
    ),
    (
        "passages, labelled by teachers",
        "15 languages",
        "those of mono text, below; much newspaper text states no licence",
    ),
    (
        "mono text (which pieces stay; passages)",
        "16 languages",
        "SANAD CC BY, Wikipedia CC BY-SA, UN debates CC0, Common Voice CC0, news and parliaments",
    ),
];

/// Runs the stage.
///
/// # Errors
/// When a file cannot be read or is not what its stage writes.
pub fn run(args: &Args) -> Result<()> {
    let manifest = read(&args.model.join("manifest.json"))?;
    let report = read(&args.prep.join("report.json"))?;
    let results = read(&args.results)?;
    let heads = read(&args.model.join("stance.json"))?;
    let mut card = String::new();
    let text = |value: &Value, field: &str| {
        value
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned()
    };
    let _ = writeln!(
        card,
        "# {} {}\n",
        text(&manifest, "name"),
        text(&manifest, "version")
    );
    let (before, after) = FIXED
        .split_once("<!-- generated -->")
        .unwrap_or((FIXED, ""));
    card += before;
    data(&mut card, &report);
    for folder in &args.run {
        budget(&mut card, folder)?;
    }
    let calibration = heads.get("calibration").cloned().unwrap_or(Value::Null);
    let _ = writeln!(
        card,
        "\nCalibration, fitted on the validation rows: `{calibration}`.\n"
    );
    numbers(&mut card, &results, &args.command);
    card += after;
    std::fs::write(args.model.join("MODEL_CARD.md"), card)?;
    Ok(())
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| candle_core::Error::Msg(format!("{}: {error}", path.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| candle_core::Error::Msg(format!("{}: {error}", path.display())))
}

fn data(card: &mut String, report: &Value) {
    *card += "## Data\n\nRows after cleaning and deduplication, without any row whose text also \
              stands in a test split (`stance-training prepare`); the column *leaked* counts \
              those that were taken out.\n\n\
              | set | languages | licence | train | validation | test | leaked |\n\
              |---|---|---|---|---|---|---|\n";
    for (set, languages, licence) in LICENCES {
        let counts = ["stance", "topic"]
            .iter()
            .find_map(|kind| report.get(kind)?.get(set));
        let number = |field: &str| {
            counts
                .and_then(|c| c.get(field)?.as_u64())
                .map_or_else(|| "–".to_owned(), |n| n.to_string())
        };
        let _ = writeln!(
            card,
            "| {set} | {languages} | {licence} | {} | {} | {} | {} |",
            number("train"),
            number("validation"),
            number("test"),
            number("leaked")
        );
    }
    let hash = report
        .get("data_hash")
        .and_then(Value::as_str)
        .unwrap_or("?");
    let _ = writeln!(card, "\nHash of the labelled data: `{hash}`.\n");
}

/// One line on a run: steps, tokens, seconds.
fn budget(card: &mut String, folder: &Path) -> Result<()> {
    let position = read(&folder.join("checkpoint/position.json"))?;
    let field = |name: &str| {
        position
            .get(0)
            .and_then(|p| p.get(name)?.as_u64())
            .unwrap_or(0)
    };
    let name = folder
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let _ = writeln!(
        card,
        "- run `{name}`: {} steps, {:.2} million tokens, {:.0} minutes.",
        field("step"),
        field("tokens") as f64 / 1e6,
        field("seconds") as f64 / 60.0
    );
    Ok(())
}

fn numbers(card: &mut String, results: &Value, command: &str) {
    let _ = writeln!(
        card,
        "## Measured\n\nBy `{command}`, on rows that never trained it:\n"
    );
    *card += "| task | rows | metric | model (95 % interval) | ECE (floor, p) | baselines | published best |\n\
              |---|---|---|---|---|---|---|\n";
    for task in results
        .get("tasks")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |field: &str| task.get(field).and_then(Value::as_str).unwrap_or("?");
        let metric = text("metric");
        let systems: Vec<&Value> = task
            .get("systems")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect();
        let score = |system: &Value, name: &str| system.get("scores")?.get(name)?.as_f64();
        let name = |system: &Value| {
            system
                .get("system")
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned()
        };
        let Some(model) = systems.iter().find(|s| name(s) == "model") else {
            continue;
        };
        let interval = model.get("interval").and_then(|i| {
            Some(format!(
                " ({:.3}–{:.3})",
                i.get("low")?.as_f64()?,
                i.get("high")?.as_f64()?
            ))
        });
        let show = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"));
        let baselines: Vec<String> = systems
            .iter()
            .filter(|s| name(s) != "model")
            .map(|s| format!("{} {}", name(s), show(score(s, metric))))
            .collect();
        let published = task
            .get("published")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|p| p.get("value")?.as_f64())
            .fold(None, |best: Option<f64>, v| {
                Some(best.map_or(v, |b| b.max(v)))
            });
        let rows = task
            .get("rows")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        let _ = writeln!(
            card,
            "| {} | {rows} | {metric} | {}{} | {} | {} | {} |",
            text("task"),
            show(score(model, metric)),
            interval.unwrap_or_default(),
            calibration_error(&show, |metric| score(model, metric)),
            baselines.join(", "),
            show(published)
        );
    }
    *card += "\nIn brackets: the ECE that so many rows have on average when every probability is right, and how \
              probable one as large as the model's is then; where p is above 0.05 the error is no evidence against \
              the probabilities.\n";
    *card += "\nPublished results are those of the papers, on their own splits where the splits \
              are official; see `eval/suites/public.toml` for each source.\n\n";
}

/// The calibration error of a task, with what it is to be compared with where the results say it.
fn calibration_error(
    show: &impl Fn(Option<f64>) -> String,
    score: impl Fn(&str) -> Option<f64>,
) -> String {
    let error = show(score("ece"));
    match (score("ece_floor"), score("ece_p")) {
        (Some(floor), Some(p)) => format!("{error} ({floor:.3}, {p:.2})"),
        _ => error,
    }
}

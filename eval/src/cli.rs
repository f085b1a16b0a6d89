//! The command line.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};

use crate::compare::{compare, comparison_table};
use crate::data::Suite;
use crate::error::EvalError;
use crate::gold::{disagreements, gold_spec, read_gold};
use crate::metrics::Resampling;
use crate::report::{html_report, summary_table, task_table};
use crate::run::{
    Baseline, Context, Judge, Product, RESULTS_SCHEMA, RunResult, TaskResult, run_task, score_task,
    write_file,
};

/// Measures how good a stance model is.
#[derive(Debug, Parser)]
#[command(name = "stance-eval", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a suite: tables on the console, results as JSON, one page of HTML.
    Run(RunArgs),
    /// Compare two runs, row by row, with paired tests.
    Compare(CompareArgs),
    /// Measure the model on a file of your own labels: JSONL or CSV with text, target and stance.
    PredictGold(GoldArgs),
}

/// Which model, and where its results go.
#[derive(Debug, Args)]
struct ModelArgs {
    /// The model: `default`, a folder, a hub id, or `none` for baselines only.
    #[arg(long, default_value = "default")]
    model: String,
    /// Where it runs: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, default_value = "auto")]
    device: String,
    /// What its encoder multiplies in: f32, int8, or auto.
    #[arg(long, default_value = "f32")]
    dtype: String,
    /// Baselines to compute: `all`, `none` or a list of target-blind, name-masked, tfidf,
    /// lexicon, majority.
    #[arg(
        long,
        value_delimiter = ',',
        num_args = 0..=1,
        default_value = "all",
        default_missing_value = "all"
    )]
    baselines: Vec<String>,
    /// The folder for results.
    #[arg(long, default_value = "results")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct GoldArgs {
    /// The file of labels.
    file: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Rows on which the model is surest and wrong that are shown.
    #[arg(long, default_value_t = 10)]
    show: usize,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// The suite.
    #[arg(long, default_value = "eval/suites/public.toml")]
    suite: PathBuf,
    /// The folder of the data sets.
    #[arg(long, default_value = "../shared/data")]
    data: PathBuf,
    /// Only tasks whose name starts so, or of this group; may be given more than once.
    #[arg(long, value_name = "TASK")]
    only: Vec<String>,
    /// At most so many rows per task, a fixed sample.
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
struct CompareArgs {
    /// Results of the first run.
    first: PathBuf,
    /// Results of the second run.
    second: PathBuf,
    /// Replicates of the bootstrap.
    #[arg(long, default_value_t = 2000)]
    samples: usize,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 20_240_607)]
    seed: u64,
}

impl Cli {
    /// Does what was asked.
    pub fn execute(self) -> Result<(), EvalError> {
        match self.command {
            Command::Run(args) => run(&args),
            Command::PredictGold(args) => predict_gold(&args),
            Command::Compare(args) => {
                let (first, second) = (
                    RunResult::read(&args.first)?,
                    RunResult::read(&args.second)?,
                );
                let resampling = Resampling {
                    samples: args.samples,
                    seed: args.seed,
                };
                let (compared, skipped) = compare(&first, &second, resampling)?;
                print!("{}", comparison_table(&compared, &skipped));
                Ok(())
            }
        }
    }
}

fn run(args: &RunArgs) -> Result<(), EvalError> {
    let suite = Suite::read(&args.suite)?;
    let tasks = suite.select(&args.only)?;
    let baselines = baselines(&args.model.baselines)?;
    let model = load(&args.model)?;
    let context = Context {
        baselines: &baselines,
        limit: args.limit,
        ..Context::of(
            &suite,
            &args.data,
            model.as_ref().map(|model| model as &dyn Judge),
        )
    };
    let clock = Clock::start();
    let mut results = Vec::new();
    for (index, spec) in tasks.iter().enumerate() {
        eprintln!("[{}/{}] {}", index + 1, tasks.len(), spec.name);
        let result = run_task(spec, context)?;
        if result.systems.is_empty() {
            eprintln!("        needs a model");
            continue;
        }
        println!("{}", task_table(&result));
        results.push(result);
    }
    let run = clock.finish(&suite.name, suite.min_cell, model.as_ref(), results);
    println!("{}", summary_table(&run));
    save(&run, &args.model.out)
}

fn predict_gold(args: &GoldArgs) -> Result<(), EvalError> {
    let task = read_gold(&args.file)?;
    let baselines = baselines(&args.model.baselines)?;
    let model = load(&args.model)?;
    let context = Context {
        data: std::path::Path::new("."),
        judge: model.as_ref().map(|model| model as &dyn Judge),
        baselines: &baselines,
        limit: None,
        min_cell: GOLD_MIN_CELL,
        resampling: Resampling {
            samples: 2000,
            seed: 1,
        },
    };
    let clock = Clock::start();
    let result = score_task(&gold_spec(&args.file), &task, context)?;
    println!("{}", task_table(&result));
    let wrong = disagreements(&task, &result, args.show);
    if !wrong.is_empty() {
        println!("surest and not as labelled:\n{wrong}");
    }
    let run = clock.finish("gold", GOLD_MIN_CELL, model.as_ref(), vec![result]);
    save(&run, &args.model.out)
}

/// Cells below so many of the user's rows are hidden.
const GOLD_MIN_CELL: usize = 10;

fn load(args: &ModelArgs) -> Result<Option<Product>, EvalError> {
    if args.model == "none" {
        return Ok(None);
    }
    Product::load(&args.model, &args.device, &args.dtype, true).map(Some)
}

/// When a run started.
struct Clock {
    start: Instant,
    started: u64,
}

impl Clock {
    fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            start: Instant::now(),
            started: since.map_or(0, |since| since.as_secs()),
        }
    }

    fn finish(
        self,
        suite: &str,
        min_cell: usize,
        model: Option<&Product>,
        tasks: Vec<TaskResult>,
    ) -> RunResult {
        RunResult {
            schema: RESULTS_SCHEMA.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            suite: suite.to_owned(),
            min_cell,
            started: self.started,
            seconds: self.start.elapsed().as_secs_f64(),
            model: model.map(Judge::card),
            tasks,
        }
    }
}

fn save(run: &RunResult, folder: &std::path::Path) -> Result<(), EvalError> {
    let json = folder.join(format!("{}.json", run.file_stem()));
    let html = folder.join(format!("{}.html", run.file_stem()));
    run.write(&json)?;
    write_file(&html, &html_report(run))?;
    println!("results {}\nreport  {}", json.display(), html.display());
    Ok(())
}

/// `all`, `none` or names of baselines.
fn baselines(names: &[String]) -> Result<Vec<Baseline>, EvalError> {
    match names {
        [all] if all == "all" => Ok(Baseline::ALL.to_vec()),
        [none] if none == "none" => Ok(Vec::new()),
        names => names
            .iter()
            .map(|name| {
                <Baseline as clap::ValueEnum>::from_str(name, true).map_err(|_| {
                    let known: Vec<&str> = Baseline::ALL.iter().map(|one| one.flag()).collect();
                    EvalError::Results(format!(
                        "no baseline '{name}': all, none, {}",
                        known.join(", ")
                    ))
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn baselines_are_chosen_by_name() {
        let of = |names: &[&str]| {
            baselines(
                &names
                    .iter()
                    .map(|&name| name.to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(of(&["all"]).unwrap().len(), Baseline::ALL.len());
        assert!(of(&["none"]).unwrap().is_empty());
        assert_eq!(
            of(&["tfidf", "target-blind"]).unwrap(),
            [Baseline::Tfidf, Baseline::TargetBlind]
        );
        assert!(of(&["magic"]).unwrap_err().to_string().contains("tfidf"));
        for baseline in Baseline::ALL {
            assert_eq!(of(&[baseline.flag()]).unwrap(), [baseline]);
        }
    }
}

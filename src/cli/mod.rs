//! The command line.
//!
//! [`args`] says what may be asked, one file per command does it, and `exit` says how it
//! ended. `classify` reads documents one after another (`input`), judges them in bounded
//! chunks, and writes each result as soon as it is known (`output`, `report`, `table`). `score` and
//! `aggregate` are flags ([`archive_args`]) for [`crate::archive`].

mod actors;
mod aggregate;
mod archive_args;
pub mod args;
mod classify;
mod docs;
mod doctor;
mod exit;
mod fetch;
mod input;
mod log;
mod output;
mod report;
mod score;
mod table;

use std::io::Write as _;

use clap::Parser;

use crate::config::ModelArgs;
use crate::document::Options;
use crate::predict::{Predictor, check_options};
use crate::server;

use args::{Cli, Command};
pub use exit::{Exit, Failure};

/// Parses the arguments, runs the command, and says how it ended.
pub fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
            // Nothing is left to be done when even this cannot be written.
            let _ = error.print();
            return exit.into();
        }
    };
    let (default_level, collector) = match &cli.command {
        Command::Serve(args) => ("info", args.otlp_endpoint.as_deref()),
        _ => ("warn", None),
    };
    // Spans that were not sent yet are sent when the log is dropped.
    let log = log::start(&cli.log, default_level, collector);
    match log.and_then(|_log| run(cli.command)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_broken_pipe() {
                // As with the log, a full disk behind standard error changes nothing.
                let _ = writeln!(std::io::stderr(), "stance: {failure}");
            }
            failure.exit().into()
        }
    }
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Classify(args) => classify::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Aggregate(args) => aggregate::run(&args),
        Command::Serve(args) => {
            let settings = args.settings()?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            runtime.block_on(server::run(settings))?;
            Ok(Exit::Success)
        }
        Command::Actors(args) => actors::run(args),
        Command::Fetch(args) => fetch::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Docs(args) => docs::run(&args),
    }
}

/// The model of a command; its options are checked before anything is loaded.
fn predictor(args: &ModelArgs, options: &Options) -> Result<Predictor, Failure> {
    let registry = args
        .source
        .registry()
        .map_err(|error| Failure::from_error(&error))?;
    check_options(options, &registry)?;
    args.source
        .load(&args.model, registry)
        .map_err(|error| Failure::from_error(&error))
}

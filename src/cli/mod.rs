//! The command line.
//!
//! [`args`] says what may be asked, one file per command does it, and `exit` says how it
//! ended. `classify` reads documents one after another (`input`), judges them in bounded
//! chunks, and writes each result as soon as it is known (`output`, `report`, `table`).

mod actors;
pub mod args;
mod classify;
mod docs;
mod doctor;
mod exit;
mod fetch;
mod input;
mod output;
mod report;
mod table;

use std::io::IsTerminal;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::config::{LogArgs, LogFormat};
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
    let default_level = if matches!(cli.command, Command::Serve(_)) {
        "info"
    } else {
        "warn"
    };
    match start_log(&cli.log, default_level).and_then(|()| run(cli.command)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_broken_pipe() {
                eprintln!("stance: {failure}");
            }
            failure.exit().into()
        }
    }
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Classify(args) => classify::run(&args),
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

fn start_log(args: &LogArgs, default_level: &str) -> Result<(), Failure> {
    let filter = args.log_level.as_deref().unwrap_or(default_level);
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::usage(format!("--log-level {filter:?}: {error}")))?;
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter);
    match args.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

//! Command line of `stance-training`: a subcommand is one call of one stage.

use std::error::Error;

use clap::{Parser, Subcommand};

use crate::{align, tokenizer};

/// Trains the models that stance serves.
#[derive(Debug, Parser)]
#[command(name = "stance-training", version, about)]
pub struct Cli {
    /// The stage to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The stages, in the order in which a model is made.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Learn the multilingual Unigram tokenizer.
    Tokenizer(tokenizer::Args),
    /// Align new pieces with the teacher's, start their embeddings, write the pair store.
    Align(align::Args),
}

impl Cli {
    /// Runs the chosen stage to its end.
    pub fn run(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        match self.command {
            Command::Tokenizer(args) => tokenizer::run(&args)?,
            Command::Align(args) => align::run(&args)?,
        }
        Ok(())
    }
}

//! Command line of `stance-training`: a subcommand is one call of one stage.

use std::error::Error;

use clap::{Parser, Subcommand};

use crate::{align, annotations, passages, prepare, project, templates, tokenizer, train, trim};

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
    /// Clean, deduplicate and split the labelled data.
    Prepare(prepare::Args),
    /// Leave in the multilingual base only the pieces that the corpora use.
    Trim(trim::Args),
    /// Learn a multilingual Unigram tokenizer for an English base.
    Tokenizer(tokenizer::Args),
    /// Align new pieces with the teacher's, start their embeddings, write the pair store.
    Align(align::Args),
    /// Distil parallel text into the multilingual encoder.
    Pretrain(train::pretrain::Args),
    /// Train encoder and heads on labelled stance and topic data.
    Finetune(train::finetune::Args),
    /// Label the translations of English sentences by what a model says of these.
    Project(project::Args),
    /// Draw passages that name actors from the text of every language.
    Passages(passages::Args),
    /// Join labels of our own with the texts that they are of.
    Annotations(annotations::Args),
    /// Let models label passages, for a further model to learn from.
    Teach(train::teach::Args),
    /// Fill sentences that have gaps with actors of the registry.
    Templates(templates::Args),
    /// Take the mean of models, or add what a longer pretraining taught.
    Merge(train::merge::Args),
    /// Fit heads for your own labels on a frozen encoder.
    Fit(train::fit::Args),
    /// Fit temperatures and thresholds on validation rows.
    Calibrate(train::calibrate::Args),
    /// Write the model folder that the product reads.
    Export(train::export::Args),
    /// Write the model card from what the stages and the evaluation wrote.
    Card(train::card::Args),
}

impl Cli {
    /// Runs the chosen stage to its end.
    pub fn run(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        match self.command {
            Command::Prepare(args) => prepare::run(&args)?,
            Command::Trim(args) => trim::run(&args)?,
            Command::Tokenizer(args) => tokenizer::run(&args)?,
            Command::Align(args) => align::run(&args)?,
            Command::Pretrain(args) => train::pretrain::run(&args)?,
            Command::Finetune(args) => train::finetune::run(&args)?,
            Command::Project(args) => project::run(&args)?,
            Command::Passages(args) => passages::run(&args)?,
            Command::Annotations(args) => annotations::run(&args)?,
            Command::Teach(args) => train::teach::run(&args)?,
            Command::Templates(args) => templates::run(&args)?,
            Command::Merge(args) => train::merge::run(&args)?,
            Command::Fit(args) => train::fit::run(&args)?,
            Command::Calibrate(args) => train::calibrate::run(&args)?,
            Command::Export(args) => train::export::run(&args)?,
            Command::Card(args) => train::card::run(&args)?,
        }
        Ok(())
    }
}

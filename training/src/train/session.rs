//! The loop of a long stage: steps, reports, validations and checkpoints; it goes on where the last
//! checkpoint stands.

use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Result};

use super::average::Average;
use super::checkpoint::{self, Position, State};
use super::journal::Journal;
use super::optim::{AdamW, AdamWConfig};
use super::params::Params;

/// How long a stage runs and how often it says something, from its recipe.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Steps of the schedule.
    pub steps: u64,
    /// The run ends after so many of them; after all when absent.
    pub stop: Option<u64>,
    /// Steps between reports.
    pub report_every: u64,
    /// Steps between validations.
    pub validate_every: u64,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: u64,
    /// The run's weights are the mean over the steps after this share of the schedule; those of
    /// the last step when absent.
    pub average_from: Option<f64>,
}

/// What one step says.
pub struct Report {
    /// Values, in the order of [`Stage::terms`].
    pub values: Vec<f64>,
    /// Tokens that were read.
    pub tokens: usize,
}

/// What is trained, and how a step goes.
pub trait Stage {
    /// Names of the values that a step reports.
    fn terms(&self) -> &'static [&'static str];

    /// One step: a batch that depends on the number of the step alone, its gradients, and the
    /// optimiser's step.
    ///
    /// # Errors
    /// When a batch cannot be read, the gradient is not finite, or the device fails.
    fn step(&self, step: u64, params: &Params, optimiser: &mut AdamW) -> Result<Report>;

    /// Measures weights on held-out data: names and values.
    ///
    /// # Errors
    /// When the data cannot be read or the device fails.
    fn validate(&self, params: &Params) -> Result<Vec<(String, f64)>>;
}

/// A run of a stage in its folder.
pub struct Session<'a> {
    folder: &'a Path,
    pace: Pace,
    state: State,
    journal: Journal,
}

impl<'a> Session<'a> {
    /// Takes up the last checkpoint in `folder`, or begins with the weights of `begin`.
    /// `fingerprint` is the hash of the data and the recipe; the weights are on `device`.
    ///
    /// # Errors
    /// When the checkpoint is of another fingerprint, or a file cannot be read.
    pub fn open(
        folder: &'a Path,
        pace: Pace,
        optimiser: AdamWConfig,
        fingerprint: String,
        device: &Device,
        begin: impl FnOnce() -> Result<Params>,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let state = match checkpoint::load(folder, optimiser, &fingerprint, device)? {
            Some(state) => state,
            None => State {
                params: begin()?,
                optimiser: AdamW::new(optimiser),
                average: None,
                position: Position {
                    step: 0,
                    tokens: 0,
                    seconds: 0,
                    averaged: 0,
                    fingerprint,
                },
            },
        };
        let journal = Journal::open(folder, state.position.step, pace.steps)?;
        Ok(Self {
            folder,
            pace,
            state,
            journal,
        })
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.state.position.step
    }

    /// The weights to use: the mean where the recipe asks for one and it has begun.
    pub fn weights(&self) -> &Params {
        let average = self.state.average.as_ref();
        average.map_or(&self.state.params, Average::params)
    }

    /// Measures the weights and writes it into the journal.
    ///
    /// # Errors
    /// As [`Stage::validate`], and when the disk fails.
    pub fn validate(&mut self, stage: &dyn Stage) -> Result<()> {
        let values = stage.validate(self.weights())?;
        let values: Vec<(&str, f64)> = values.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        Ok(self.journal.report("valid", self.step(), &values)?)
    }

    /// Runs to the end, or for `max_seconds`; says whether the end was reached. Either way the
    /// last state is in the checkpoint.
    ///
    /// # Errors
    /// As [`Stage::step`] and [`Stage::validate`], and when the disk fails.
    pub fn run(&mut self, stage: &dyn Stage, max_seconds: Option<u64>) -> Result<bool> {
        let pace = self.pace;
        let (start, before) = (Instant::now(), self.state.position.seconds);
        let mut saved = Instant::now();
        let mut sums = vec![0.0; stage.terms().len()];
        let end = pace.stop.unwrap_or(pace.steps).min(pace.steps);
        while self.step() < end {
            let State {
                params,
                optimiser,
                position,
                ..
            } = &mut self.state;
            let report = stage.step(position.step, params, optimiser)?;
            for (sum, value) in sums.iter_mut().zip(&report.values) {
                *sum += value;
            }
            position.step += 1;
            position.tokens += report.tokens as u64;
            position.seconds = before + start.elapsed().as_secs();
            self.journal.step(self.step(), report.tokens as u64);
            self.average()?;
            if self.step().is_multiple_of(pace.report_every) {
                self.report(stage.terms(), &mut sums)?;
            }
            if self.step().is_multiple_of(pace.validate_every) || self.step() == end {
                self.validate(stage)?;
            }
            let out_of_time = max_seconds.is_some_and(|s| start.elapsed().as_secs() >= s);
            let due = saved.elapsed().as_secs() >= pace.checkpoint_seconds;
            if due || out_of_time || self.step() == end {
                checkpoint::save(self.folder, &self.state)?;
                self.journal.plot()?;
                saved = Instant::now();
            }
            if out_of_time && self.step() < end {
                return Ok(false);
            }
        }
        self.journal.finish()?;
        Ok(true)
    }

    /// Takes the weights of this step into the mean, where the recipe asks for that.
    fn average(&mut self) -> Result<()> {
        let Some(from) = self.pace.average_from else {
            return Ok(());
        };
        let State {
            params,
            average,
            position,
            ..
        } = &mut self.state;
        let begun = position.step as f64 >= from * self.pace.steps as f64;
        if !begun || !position.step.is_multiple_of(Average::EVERY) {
            return Ok(());
        }
        match average {
            Some(average) => average.add(params)?,
            None => *average = Some(Average::begin(params)?),
        }
        Ok(())
    }

    /// Writes the means of the values since the last report.
    fn report(&mut self, terms: &[&str], sums: &mut [f64]) -> Result<()> {
        let steps = self.pace.report_every as f64;
        let means = sums.iter().map(|sum| sum / steps);
        let mut values: Vec<(&str, f64)> = terms.iter().copied().zip(means).collect();
        values.push(("tokens", self.state.position.tokens as f64));
        self.journal.report("train", self.step(), &values)?;
        sums.fill(0.0);
        Ok(())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

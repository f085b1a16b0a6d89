//! What is measured, each metric in its own small file and checked against scikit-learn.
//!
//! [`Scores`] holds the answers of one system; a [`Metric`] reads a number off any subset of
//! its rows, so that slices and bootstrap replicates go through the same code as the whole.

mod bootstrap;
mod confusion;
mod paired;
mod probability;
mod retrieval;
mod scores;
mod selective;

pub use bootstrap::{Interval, Resampling};
pub use confusion::{ClassReport, Confusion};
pub use paired::{
    LogLikelihoodChange, McNemar, PairedDifference, log_likelihood_change, mcnemar,
    paired_bootstrap,
};
pub use probability::{
    ECE_BINS, ReliabilityBin, brier, ece_floor, ece_p_value, expected_calibration_error,
    reliability,
};
pub use retrieval::{Retrieval, retrieve};
pub use scores::{Metric, Scores};
pub use selective::{CoveragePoint, aurc, risk_coverage};

//! Topics, actors, and the author's stance toward each, in any language.
//!
//! Data flows one way: [`document`] → [`text`] → [`actors`] → [`encoder`] → [`heads`] →
//! [`predict`] → [`engine`] → [`archive`], [`server`] and [`cli`]. No module reaches back up.

pub mod actors;
pub mod archive;
pub mod cli;
pub mod config;
pub mod document;
pub mod encoder;
pub mod engine;
pub mod env;
pub mod error;
pub mod heads;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod predict;
pub mod prediction;
pub mod server;
pub mod text;

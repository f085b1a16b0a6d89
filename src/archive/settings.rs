//! What must be the same for a run to go on: everything that the bytes of the output depend on.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::run::ScoreOptions;
use super::schema::ARCHIVE_SCHEMA;
use super::source::Source;
use crate::actors::Registry;
use crate::predict::Predictor;
use crate::prediction::SCHEMA_VERSION;

/// The settings of a run, for its journal.
pub(super) fn settings(
    predictor: &Predictor,
    asked: &ScoreOptions,
    sources: &[Source],
) -> Map<String, Value> {
    let model = predictor.info();
    let columns = &asked.columns;
    let inputs: Vec<Value> = sources
        .iter()
        .map(|source| json!([source.name, format!("{:?}", source.format), source.bytes]))
        .collect();
    let pairs = [
        ("journal", json!(1)),
        ("program", json!(env!("CARGO_PKG_VERSION"))),
        ("schema", json!([SCHEMA_VERSION, ARCHIVE_SCHEMA])),
        ("model", json!(model.name)),
        ("model_version", json!(model.version)),
        ("model_sha256", json!(model.sha256)),
        (
            "precision",
            json!(format!("{:?}", predictor.dtype().precision)),
        ),
        (
            "registry_sha256",
            json!(registry_hash(predictor.registry())),
        ),
        ("options", json!(asked.options)),
        ("actors", json!(asked.actors)),
        ("max_text_bytes", json!(asked.limits.max_text_bytes)),
        ("max_actors", json!(asked.limits.max_actors)),
        ("text_column", json!(columns.text)),
        ("id_column", json!(columns.id.name)),
        ("actors_column", json!(columns.actors.name)),
        ("language_column", json!(columns.language.name)),
        ("keep", json!(columns.keep)),
        ("format", json!(asked.format.ending())),
        ("part_rows", json!(asked.part_rows)),
        ("errors", json!(asked.errors)),
        ("inputs", json!(inputs)),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A hash of all actors with their names.
fn registry_hash(registry: &Registry) -> String {
    let mut hash = Sha256::new();
    for actor in registry.iter() {
        hash.update(serde_json::to_vec(actor).unwrap_or_default());
    }
    hash.finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

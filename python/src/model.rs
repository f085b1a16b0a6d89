//! A loaded model: documents, batches of Arrow and texts in, answers out, without the interpreter's
//! lock while it computes.

// Python hands over values of its own making.
#![allow(clippy::needless_pass_by_value)]

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_pyarrow::{PyArrowType, ToPyArrow};
use arrow_schema::Schema;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use stance::archive::ArchiveError;
use stance::archive::actors::ActorRule;
use stance::archive::batch::BatchScorer;
use stance::config::SourceArgs;
use stance::engine::{DocumentLimits, Judge};
use stance::error::ErrorCode;
use stance::predict::{PredictError, Predictor, check_options};

use crate::documents::{Asked, document};
use crate::errors::{of, stance_error};
use crate::logs;

/// Texts that become vectors together.
const CHUNK_TEXTS: usize = 256;

/// A model with its registry of actors.
#[pyclass(frozen, module = "stance._stance")]
pub struct Model {
    predictor: Arc<Predictor>,
}

#[pymethods]
impl Model {
    /// Loads `default`, a folder, or a model of the hub.
    #[staticmethod]
    fn load(
        py: Python<'_>,
        name: &str,
        device: &str,
        dtype: &str,
        offline: bool,
        registry: Vec<PathBuf>,
    ) -> PyResult<Self> {
        logs::refresh();
        let source = SourceArgs {
            device: device.parse().map_err(|error| of(py, &error))?,
            dtype: dtype.parse().map_err(|error| of(py, &error))?,
            offline,
            actors: registry,
        };
        let loaded = py.detach(|| -> Result<Predictor, PredictError> {
            source.load(name, source.registry()?)
        });
        Ok(Self {
            predictor: Arc::new(loaded.map_err(|error| of(py, &error))?),
        })
    }

    /// Name, version and hash of the model as JSON.
    fn info(&self, py: Python<'_>) -> PyResult<String> {
        json(&self.predictor.info()).map_err(|error| internal(py, &error))
    }

    /// Width of its vectors.
    fn hidden(&self) -> usize {
        self.predictor.encoder().info().hidden
    }

    /// One answer as JSON for each document: a prediction, or `{"id", "error"}`.
    fn classify(
        &self,
        py: Python<'_>,
        documents: Vec<String>,
        asked: &str,
    ) -> PyResult<Vec<String>> {
        let asked = Asked::read(py, asked)?;
        let registry = self.predictor.registry();
        check_options(asked.options(), registry).map_err(|error| of(py, &error))?;
        let rule = ActorRule::new(registry, asked.actors(py, registry)?);
        let judge = Judge::new(&self.predictor, asked.options(), DocumentLimits::default())
            .map_err(|error| of(py, &error))?;
        let mut answers = Vec::with_capacity(documents.len());
        let mut documents = documents.iter().map(|json| document(json, &rule));
        loop {
            py.check_signals()?;
            let answered: Result<Vec<String>, _> =
                py.detach(|| judge.next(&mut documents).iter().map(json).collect());
            let answered = answered.map_err(|error| internal(py, &error))?;
            if answered.is_empty() {
                return Ok(answers);
            }
            answers.extend(answered);
        }
    }

    /// A batch with an answer for each row.
    fn score<'py>(
        &self,
        py: Python<'py>,
        batch: PyArrowType<RecordBatch>,
        asked: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let scored = self.with_scorer(py, asked, |scorer| scorer.score(&batch.0))?;
        scored.to_pyarrow(py)
    }

    /// The schema of the answer to batches of a schema.
    fn score_schema<'py>(
        &self,
        py: Python<'py>,
        schema: PyArrowType<Schema>,
        asked: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let schema = self.with_scorer(py, asked, |scorer| scorer.schema(&schema.0))?;
        schema.as_ref().to_pyarrow(py)
    }

    /// A batch as a part of an archive: Parquet, lines of errors, how many were scored and not.
    fn score_part<'py>(
        &self,
        py: Python<'py>,
        batch: PyArrowType<RecordBatch>,
        source: &str,
        first: u64,
        asked: &str,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>, u64, u64)> {
        let part = self.with_scorer(py, asked, |scorer| scorer.part(&batch.0, source, first))?;
        let parquet = PyBytes::new(py, &part.parquet);
        let errors = PyBytes::new(py, &part.errors);
        Ok((parquet, errors, part.scored, part.failed))
    }

    /// Vectors `[texts, hidden]` of length 1, as the bytes of their numbers: 32-bit floats in the
    /// machine's order.
    fn embed<'py>(&self, py: Python<'py>, texts: Vec<String>) -> PyResult<Bound<'py, PyByteArray>> {
        let mut bytes = Vec::with_capacity(texts.len() * self.hidden() * size_of::<f32>());
        for chunk in texts.chunks(CHUNK_TEXTS) {
            py.check_signals()?;
            let texts: Vec<&str> = chunk.iter().map(String::as_str).collect();
            let vectors = py.detach(|| self.predictor.embed(&texts));
            for vector in vectors.map_err(|error| of(py, &error))? {
                bytes.extend(vector.into_iter().flat_map(f32::to_ne_bytes));
            }
        }
        Ok(PyByteArray::new(py, &bytes))
    }
}

fn json(value: &impl serde::Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value)
}

fn internal(py: Python<'_>, error: &serde_json::Error) -> PyErr {
    stance_error(py, "internal_error", &error.to_string())
}

impl Model {
    /// Works with a scorer of batches, without the interpreter's lock.
    fn with_scorer<T: Send>(
        &self,
        py: Python<'_>,
        asked: &str,
        work: impl FnOnce(&BatchScorer<'_>) -> Result<T, ArchiveError> + Send,
    ) -> PyResult<T> {
        let asked = Asked::read(py, asked)?;
        let actors = asked.actors(py, self.predictor.registry())?;
        let done = py.detach(|| {
            let scorer = BatchScorer::new(
                &self.predictor,
                asked.columns(),
                actors,
                asked.options().clone(),
                DocumentLimits::default(),
            )?;
            work(&scorer)
        });
        done.map_err(|error: ArchiveError| stance_error(py, error.code(), &error.to_string()))
    }
}

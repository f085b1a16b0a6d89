//! The English base model on disk, and the folder that training starts from.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;

use super::AlignError;
use crate::data::DataError;

/// Name of the tensor with a row per piece in a BERT file.
pub const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

/// A matrix of embeddings: one row of `hidden` numbers per piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Row after row.
    pub values: Vec<f32>,
    /// Numbers per row.
    pub hidden: usize,
}

impl Embeddings {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len() / self.hidden
    }

    /// Row `id`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, id: usize) -> &[f32] {
        &self.values[id * self.hidden..(id + 1) * self.hidden]
    }
}

/// Reads the word embeddings `[vocab, hidden]` of the model in `folder`.
pub fn load_embeddings(folder: &Path) -> Result<Embeddings, AlignError> {
    let path = folder.join("model.safetensors");
    let fault = |message: String| AlignError::Base {
        path: path.clone(),
        message,
    };
    let bytes = std::fs::read(&path).map_err(|error| DataError::io(&path, error))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| fault(error.to_string()))?;
    let tensor = tensors
        .tensor(WORD_EMBEDDINGS)
        .map_err(|error| fault(error.to_string()))?;
    let &[_, hidden] = tensor.shape() else {
        return Err(fault(format!(
            "{WORD_EMBEDDINGS} has shape {:?}",
            tensor.shape()
        )));
    };
    if tensor.dtype() != Dtype::F32 || hidden == 0 {
        return Err(fault(format!(
            "{WORD_EMBEDDINGS} is {:?}, expected F32",
            tensor.dtype()
        )));
    }
    let values = tensor
        .data()
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    Ok(Embeddings { values, hidden })
}

/// Writes a model folder: the base's tensors with `embeddings` in place of its word
/// embeddings, its configuration with the new vocabulary size, and `tokenizer`.
pub fn save(
    base: &Path,
    tokenizer: &Path,
    embeddings: &Embeddings,
    out: &Path,
) -> Result<(), AlignError> {
    std::fs::create_dir_all(out).map_err(|error| DataError::io(out, error))?;
    let path = base.join("model.safetensors");
    let fault = |message: String| AlignError::Base {
        path: path.clone(),
        message,
    };
    let bytes = std::fs::read(&path).map_err(|error| DataError::io(&path, error))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| fault(error.to_string()))?;
    let rows: Vec<u8> = embeddings
        .values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let shape = vec![embeddings.rows(), embeddings.hidden];
    let new =
        TensorView::new(Dtype::F32, shape, &rows).map_err(|error| fault(error.to_string()))?;
    let mut views: Vec<(String, TensorView<'_>)> = tensors
        .tensors()
        .into_iter()
        .filter(|(name, _)| name != WORD_EMBEDDINGS)
        .collect();
    views.push((WORD_EMBEDDINGS.to_owned(), new));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), &out.join("model.safetensors"))
        .map_err(|error| fault(error.to_string()))?;

    let path = base.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|error| DataError::io(&path, error))?;
    let mut config: Value = serde_json::from_str(&text).map_err(|error| AlignError::Base {
        path: path.clone(),
        message: error.to_string(),
    })?;
    config["vocab_size"] = Value::from(embeddings.rows());
    crate::data::lines::write_json(&out.join("config.json"), &config)?;

    let copy = out.join("tokenizer.json");
    std::fs::copy(tokenizer, &copy).map_err(|error| DataError::io(&copy, error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_embeddings_and_the_vocabulary_size_change() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base");
        std::fs::create_dir(&base).unwrap();
        let numbers = |count: usize| -> Vec<u8> {
            (0..count)
                .flat_map(|number| (number as f32).to_le_bytes())
                .collect()
        };
        let (old, bias) = (numbers(6), numbers(2));
        let views = [
            (
                WORD_EMBEDDINGS,
                TensorView::new(Dtype::F32, vec![3, 2], &old).unwrap(),
            ),
            (
                "pooler.dense.bias",
                TensorView::new(Dtype::F32, vec![2], &bias).unwrap(),
            ),
        ];
        safetensors::serialize_to_file(views, None, &base.join("model.safetensors")).unwrap();
        std::fs::write(
            base.join("config.json"),
            r#"{"vocab_size": 3, "hidden_size": 2}"#,
        )
        .unwrap();
        let tokenizer = folder.path().join("tokenizer.json");
        std::fs::write(&tokenizer, "{}").unwrap();
        assert_eq!(load_embeddings(&base).unwrap().row(2), [4.0, 5.0]);

        let new = Embeddings {
            values: vec![9.0; 8],
            hidden: 2,
        };
        let out = folder.path().join("init");
        save(&base, &tokenizer, &new, &out).unwrap();
        assert_eq!(load_embeddings(&out).unwrap(), new);
        let bytes = std::fs::read(out.join("model.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.tensor("pooler.dense.bias").unwrap().data(), bias);
        let config = std::fs::read_to_string(out.join("config.json")).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(
            (&config["vocab_size"], &config["hidden_size"]),
            (&4.into(), &2.into())
        );
        assert!(out.join("tokenizer.json").exists());
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let folder = tempfile::tempdir().unwrap();
        safetensors::serialize_to_file(
            Vec::<(String, TensorView<'_>)>::new(),
            None,
            &folder.path().join("model.safetensors"),
        )
        .unwrap();
        let error = load_embeddings(folder.path()).unwrap_err().to_string();
        assert!(error.contains(WORD_EMBEDDINGS), "{error}");
    }
}

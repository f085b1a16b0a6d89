//! Models that are broken, and one that is written and read back.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use stance::encoder::EncoderError;
use stance::encoder::files::Folder;
use stance::encoder::load::{EncoderParts, expected_tensors};
use stance::encoder::tokenizer::TextTokenizer;
use stance::encoder::weights::WEIGHTS_FILE;
use stance::error::ErrorCode;

use crate::{BERTS, MODELS, encode, folder, load};

/// A copy of a model in which a test breaks something.
fn broken(model: &str, change: impl Fn(&Path)) -> EncoderError {
    let copy = tempfile::tempdir().expect("folder");
    for name in ["config.json", "tokenizer.json", WEIGHTS_FILE] {
        std::fs::copy(folder(model).join(name), copy.path().join(name)).expect("copied");
    }
    change(copy.path());
    let loaded = EncoderParts::load(&Folder::new(copy.path()), &Device::Cpu);
    loaded.map(|_| ()).expect_err("a broken model")
}

fn edit_config(folder: &Path, field: &str, value: usize) {
    let path = folder.join("config.json");
    let bytes = std::fs::read(&path).expect("config");
    let mut config: serde_json::Value = serde_json::from_slice(&bytes).expect("config");
    config[field] = value.into();
    std::fs::write(path, config.to_string()).expect("written");
}

#[test]
fn broken_models_are_refused_by_name() {
    for model in BERTS {
        for name in ["config.json", "tokenizer.json", WEIGHTS_FILE] {
            let remove = |folder: &Path| std::fs::remove_file(folder.join(name)).expect("removed");
            let error = broken(model, remove);
            assert_eq!(error.code(), "missing_file");
            assert!(error.to_string().contains(name), "{error}");
        }
        let error = broken(model, |folder| {
            let path = folder.join(WEIGHTS_FILE);
            let bytes = std::fs::read(&path).expect("weights");
            std::fs::write(path, &bytes[..bytes.len() / 2]).expect("written");
        });
        assert_eq!(error.code(), "corrupt_weights");
        assert!(error.to_string().contains(WEIGHTS_FILE), "{error}");

        let error = broken(model, |folder| {
            std::fs::write(folder.join("tokenizer.json"), b"{}").expect("written");
        });
        assert_eq!(error.code(), "invalid_tokenizer");

        let error = broken(model, |folder| edit_config(folder, "intermediate_size", 63));
        assert_eq!(error.code(), "wrong_tensor_shape");
        let message = error.to_string();
        for part in [
            "encoder.layer.0.intermediate.dense.weight",
            "[63, 32]",
            "[64, 32]",
        ] {
            assert!(message.contains(part), "{message}");
        }

        let error = broken(model, |folder| edit_config(folder, "num_hidden_layers", 3));
        assert_eq!(error.code(), "wrong_tensor_shape");
        assert!(error.to_string().contains("no such tensor"), "{error}");

        let error = broken(model, |folder| {
            edit_config(folder, "num_attention_heads", 5);
        });
        assert_eq!(error.code(), "invalid_config");
    }
}

#[test]
fn a_tokenizer_larger_than_the_embedding_table_is_refused() {
    for model in MODELS {
        let bytes = std::fs::read(folder(model).join("tokenizer.json")).expect("tokenizer");
        let needed = TextTokenizer::from_bytes(&bytes)
            .expect("tokenizer")
            .vocab_size();
        let error = broken(model, |folder| {
            edit_config(folder, "vocab_size", needed - 1);
        });
        assert_eq!(error.code(), "tokenizer_mismatch");
        let message = error.to_string();
        for number in [needed, needed - 1] {
            assert!(message.contains(&number.to_string()), "{message}");
        }
    }
}

#[test]
fn a_model_written_by_candle_reads_back() {
    for model in MODELS {
        let parts = load(model);
        let copy = tempfile::tempdir().expect("folder");
        let tensors: HashMap<String, Tensor> = expected_tensors(&parts.config)
            .into_iter()
            .map(|(name, shape)| {
                let tensor = parts.weights.get(shape, &name).expect("loaded");
                (name, tensor)
            })
            .collect();
        candle_core::safetensors::save(&tensors, copy.path().join(WEIGHTS_FILE)).expect("saved");
        std::fs::write(
            copy.path().join("config.json"),
            parts.config.to_json().to_string(),
        )
        .expect("written");
        let tokenizer = folder(model).join("tokenizer.json");
        std::fs::copy(tokenizer, copy.path().join("tokenizer.json")).expect("copied");
        let again = EncoderParts::load(&Folder::new(copy.path()), &Device::Cpu).expect(model);
        assert_eq!(again.config, parts.config);
        let ids: &[u32] = &[0, 7, 8, 2];
        let a = encode(parts.encoder().expect("encoder").as_ref(), &[ids]);
        let b = encode(again.encoder().expect("encoder").as_ref(), &[ids]);
        assert_eq!(a, b);
    }
}

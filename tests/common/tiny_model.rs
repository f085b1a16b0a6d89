//! A tiny model with weights that mean nothing: what the program does with a model's answers
//! does not depend on how good they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use candle_core::{Device, Tensor, safetensors};
use stance::heads::calibration::Calibration;
use stance::heads::{HeadsConfig, tensor_shapes};
use stance::model::{ManifestInfo, write_manifest};
use tempfile::TempDir;

const ENCODER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/encoders/bert");
const ENCODER_FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];
/// Width of that encoder.
const HIDDEN: usize = 32;

/// The folder of the model, made anew by each run of the tests.
pub fn tiny() -> &'static Path {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let targets = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // One per test program: they run side by side.
        let folder = targets.join(concat!("tiny-model-", env!("CARGO_CRATE_NAME")));
        // Moved into place whole. What an earlier run left may not be there at all.
        let made = make(targets).keep();
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::rename(made, &folder).unwrap();
        folder
    })
}

fn make(targets: &Path) -> TempDir {
    let folder = tempfile::tempdir_in(targets).unwrap();
    let path = folder.path();
    for file in ENCODER_FILES {
        std::fs::copy(Path::new(ENCODER).join(file), path.join(file)).unwrap();
    }
    let heads = HeadsConfig {
        schema: 1,
        window_tokens: 64,
        window_overlap: 16,
        topics: vec!["medtop:11000000".into(), "medtop:16000000".into()],
        attention_heads: 4,
        inner: 16,
        calibration: Calibration::default(),
    };
    std::fs::write(
        path.join("stance.json"),
        serde_json::to_vec(&heads).unwrap(),
    )
    .unwrap();
    let weights: HashMap<String, Tensor> = tensor_shapes(&heads, HIDDEN)
        .into_iter()
        .map(|(name, shape)| {
            let count: usize = shape.iter().product();
            let values: Vec<f32> = (0..count).map(|at| (at as f32).sin() * 0.3).collect();
            (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
        })
        .collect();
    safetensors::save(&weights, path.join("heads.safetensors")).unwrap();
    let info = ManifestInfo {
        name: "tiny".into(),
        version: "0.0.1".into(),
        created: "2026-01-01T00:00:00Z".into(),
        license: "Apache-2.0".into(),
    };
    let files = [&ENCODER_FILES[..], &["stance.json", "heads.safetensors"]].concat();
    write_manifest(path, info, &files).unwrap();
    folder
}

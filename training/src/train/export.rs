//! Stage `export`: a trained model as the folder that the product reads, in half precision or
//! with the encoder's matrices in 8-bit integers, and the SHA-256 of every file in its manifest.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Result};
use half::f16;
use safetensors::{Dtype, View};
use stance::encoder::cpu::quantise::inverse;
use stance::encoder::weights::{WEIGHTS_FILE, scale_name};
use stance::model::{ManifestInfo, write_manifest};
use stance::predict::SELF_TEST_FILE;

use super::params::Params;
use super::user_rows::today;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model folder of `finetune`, calibrated.
    #[arg(long)]
    pub model: PathBuf,
    /// Folder to write.
    #[arg(long, default_value = "models/default")]
    pub out: PathBuf,
    /// How the encoder's matrices are stored.
    #[arg(long, default_value = "f16")]
    pub weights: Weights,
    /// Name in the manifest.
    #[arg(long, default_value = "stance-e5-multilingual")]
    pub name: String,
    /// Version in the manifest.
    #[arg(long)]
    pub version: String,
    /// Licence of the weights.
    #[arg(long, default_value = "Apache-2.0")]
    pub license: String,
    /// Time of making, RFC 3339; today when absent.
    #[arg(long)]
    pub created: Option<String>,
    /// Fail when the folder is larger, in MiB; any size will do when absent.
    #[arg(long)]
    pub max_mib: Option<u64>,
}

/// How the encoder's matrices are stored; everything else is f16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Weights {
    /// Half precision.
    F16,
    /// 8-bit integers with a scale for each row: half the size. The CPU path that multiplies in
    /// 8-bit integers makes the same integers of both forms, but for the rounding to f16.
    Int8,
}

/// Runs the stage.
///
/// # Errors
/// When an input cannot be read, the output cannot be written, or it is larger than asked for.
pub fn run(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.out)?;
    if args.out.canonicalize()? == args.model.canonicalize()? {
        candle_core::bail!("--out is --model, {}", args.out.display());
    }
    let stored = [
        (WEIGHTS_FILE, args.weights),
        ("heads.safetensors", Weights::F16),
    ];
    for (file, weights) in stored {
        store(&args.model.join(file), &args.out.join(file), weights)?;
    }
    for file in ["config.json", "tokenizer.json", "stance.json"] {
        std::fs::copy(args.model.join(file), args.out.join(file))?;
    }
    let info = ManifestInfo {
        name: args.name.clone(),
        version: args.version.clone(),
        created: args.created.clone().unwrap_or_else(today),
        license: args.license.clone(),
    };
    let mut files = vec![
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "heads.safetensors",
        "stance.json",
    ];
    for file in ["MODEL_CARD.md", SELF_TEST_FILE] {
        if args.out.join(file).exists() {
            files.push(file);
        }
    }
    write_manifest(&args.out, info, &files).map_err(candle_core::Error::wrap)?;
    let mut bytes = 0;
    for entry in std::fs::read_dir(&args.out)? {
        bytes += entry?.metadata()?.len();
    }
    if let Some(most) = args.max_mib
        && bytes > most << 20
    {
        candle_core::bail!(
            "{} holds {bytes} bytes, more than --max-mib {most}",
            args.out.display()
        );
    }
    println!(
        "{}: {:.1} MiB",
        args.out.display(),
        bytes as f64 / f64::from(1 << 20)
    );
    Ok(())
}

/// A tensor in the form of the file.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn store(from: &Path, to: &Path, weights: Weights) -> Result<()> {
    let mut out: BTreeMap<String, Stored> = BTreeMap::new();
    let params = Params::load(from, &Device::Cpu)?;
    for (name, tensor) in params.iter() {
        let name = name.to_owned();
        let shape = tensor.dims().to_vec();
        let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
        if weights == Weights::Int8 && shape.len() == 2 {
            let (integers, scales) = integers(&values, shape[1]);
            let scales = Stored {
                dtype: Dtype::F32,
                shape: vec![shape[0]],
                bytes: scales.iter().flat_map(|s| s.to_le_bytes()).collect(),
            };
            out.insert(scale_name(&name), scales);
            let stored = Stored {
                dtype: Dtype::I8,
                shape,
                bytes: integers,
            };
            out.insert(name, stored);
            continue;
        }
        let halves: Vec<f16> = values.iter().map(|&x| f16::from_f32(x)).collect();
        if !halves.iter().all(|x| x.is_finite()) {
            candle_core::bail!("{name} does not fit half precision");
        }
        let stored = Stored {
            dtype: Dtype::F16,
            shape,
            bytes: halves.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        out.insert(name, stored);
    }
    safetensors::serialize_to_file(out.iter(), None, to).map_err(candle_core::Error::wrap)
}

/// Rows of `width` as bytes of signed integers, and the scale of each row.
fn integers(values: &[f32], width: usize) -> (Vec<u8>, Vec<f32>) {
    let (mut bytes, mut scales) = (Vec::with_capacity(values.len()), Vec::new());
    for row in values.chunks_exact(width.max(1)) {
        let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let by = inverse(most);
        let round = |x: &f32| (x * by.factor).round_ties_even() as i8 as u8;
        bytes.extend(row.iter().map(round));
        scales.push(by.scale);
    }
    (bytes, scales)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::Tensor;
    use stance::encoder::files::Folder;
    use stance::encoder::weights::WeightsReader;

    use super::*;

    #[test]
    fn integers_are_read_back_within_half_a_unit() {
        let folder = tempfile::tempdir().unwrap();
        let values = [0.5f32, -1.0, 0.25, 0.0, 0.0, 0.0, 3.0, -0.01, 1.5];
        let tensors = HashMap::from([
            (
                "matrix",
                Tensor::from_slice(&values, (3, 3), &Device::Cpu).unwrap(),
            ),
            (
                "bias",
                Tensor::from_slice(&values[..3], 3, &Device::Cpu).unwrap(),
            ),
        ]);
        let from = folder.path().join("f32.safetensors");
        candle_core::safetensors::save(&tensors, &from).unwrap();
        store(&from, &folder.path().join(WEIGHTS_FILE), Weights::Int8).unwrap();
        let files = Folder::new(folder.path());
        let mut reader = WeightsReader::open(&files).unwrap();
        let mut read = |name: &str| -> Vec<f32> {
            let tensor = reader.read(name, None, &Device::Cpu).unwrap();
            tensor.flatten_all().unwrap().to_vec1().unwrap()
        };
        for (row, (want, got)) in values.chunks(3).zip(read("matrix").chunks(3)).enumerate() {
            let unit = [1.0f32, 0.0, 3.0][row] / 127.0;
            for (want, got) in want.iter().zip(got) {
                assert!((want - got).abs() <= unit * 0.5001, "{want} {got}");
            }
        }
        assert_eq!(read("bias"), [0.5, -1.0, 0.25]);
        // Training goes on from them, and takes no scale for a weight.
        let params = Params::load(&folder.path().join(WEIGHTS_FILE), &Device::Cpu).unwrap();
        let names: Vec<&str> = params.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["bias", "matrix"]);
        let matrix = params.get("matrix").unwrap().flatten_all().unwrap();
        assert_eq!(matrix.to_vec1::<f32>().unwrap(), read("matrix"));
        // The integers survive being read and quantised again.
        let again = integers(&read("matrix"), 3);
        assert_eq!(again.0, integers(&values, 3).0);
        // Nor does what was exported become anything else when it is exported again.
        let again = tempfile::tempdir().unwrap();
        let file = folder.path().join(WEIGHTS_FILE);
        store(&file, &again.path().join(WEIGHTS_FILE), Weights::Int8).unwrap();
        let again = Params::load(&again.path().join(WEIGHTS_FILE), &Device::Cpu).unwrap();
        let again = again.get("matrix").unwrap().flatten_all().unwrap();
        for (want, got) in read("matrix").iter().zip(again.to_vec1::<f32>().unwrap()) {
            assert!((want - got).abs() <= want.abs() * 1e-6, "{want} {got}");
        }
    }

    #[test]
    fn a_model_is_not_exported_over_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, "{}").unwrap();
        let args = Args {
            model: folder.path().to_owned(),
            out: folder.path().join("."),
            weights: Weights::F16,
            name: String::new(),
            version: String::new(),
            license: String::new(),
            created: None,
            max_mib: None,
        };
        let error = run(&args).unwrap_err();
        assert!(error.to_string().contains("--out is --model"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}");
    }

    #[test]
    fn integers_without_scales_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let lonely = Stored {
            dtype: Dtype::I8,
            shape: vec![1, 2],
            bytes: vec![1, 2],
        };
        let tensors = BTreeMap::from([("matrix", &lonely)]);
        let file = folder.path().join(WEIGHTS_FILE);
        safetensors::serialize_to_file(tensors, None, &file).unwrap();
        let files = Folder::new(folder.path());
        let mut reader = WeightsReader::open(&files).unwrap();
        let error = reader.read("matrix", None, &Device::Cpu).unwrap_err();
        assert!(error.to_string().contains("`matrix.scale`"), "{error}");
    }
}

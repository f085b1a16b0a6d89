use safetensors::tensor::TensorView;

use super::*;
use crate::encoder::files::MemoryFiles;
use crate::error::ErrorCode;

fn serialized(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (
            *name,
            TensorView::new(*dtype, shape.clone(), bytes).expect("valid view"),
        )
    });
    safetensors::serialize(views, None).expect("serializable")
}

fn le<const N: usize>(values: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
    values.into_iter().flatten().collect()
}

fn sample() -> Vec<u8> {
    let values = [1.5_f32, -2.0, 0.25, 8.0];
    serialized(&[
        (
            "single",
            Dtype::F32,
            vec![2, 2],
            le(values.map(f32::to_le_bytes)),
        ),
        (
            "half",
            Dtype::F16,
            vec![4],
            le(values.map(|v| f16::from_f32(v).to_le_bytes())),
        ),
        (
            "brain",
            Dtype::BF16,
            vec![4],
            le(values.map(|v| bf16::from_f32(v).to_le_bytes())),
        ),
        (
            "double",
            Dtype::F64,
            vec![4],
            le(values.map(|v| f64::from(v).to_le_bytes())),
        ),
        ("integer", Dtype::I64, vec![1], le([7_i64.to_le_bytes()])),
        ("nan", Dtype::F32, vec![1], le([f32::NAN.to_le_bytes()])),
    ])
}

fn error_of(bytes: &[u8]) -> EncoderError {
    let files = [(WEIGHTS_FILE, bytes)];
    let files = MemoryFiles::new(&files);
    WeightsReader::open(&files)
        .map(|_| ())
        .expect_err("refused")
}

#[test]
fn every_float_type_becomes_f32() {
    let bytes = sample();
    let files = [(WEIGHTS_FILE, bytes.as_slice())];
    let files = MemoryFiles::new(&files);
    let mut weights = WeightsReader::open(&files).expect("valid");
    for name in ["single", "half", "brain", "double"] {
        let tensor = weights.read(name, None, &Device::Cpu).expect(name);
        let values = tensor
            .flatten_all()
            .and_then(|t| t.to_vec1::<f32>())
            .expect("f32");
        assert_eq!(values, [1.5, -2.0, 0.25, 8.0], "{name}");
    }
    assert_eq!(weights.shape("single"), Some(&[2, 2][..]));
}

#[test]
fn refuses_integers_and_nan_as_weights() {
    let bytes = sample();
    let files = [(WEIGHTS_FILE, bytes.as_slice())];
    let files = MemoryFiles::new(&files);
    let mut weights = WeightsReader::open(&files).expect("valid");
    for name in ["integer", "nan"] {
        let error = weights.read(name, None, &Device::Cpu).expect_err(name);
        assert_eq!(error.code(), "corrupt_weights");
        assert!(error.to_string().contains(name));
    }
}

#[test]
fn a_wrong_shape_names_tensor_expected_and_found() {
    let bytes = sample();
    let files = [(WEIGHTS_FILE, bytes.as_slice())];
    let files = MemoryFiles::new(&files);
    let mut weights = WeightsReader::open(&files).expect("valid");
    let error = weights
        .read("single", Some(&[4, 1]), &Device::Cpu)
        .expect_err("shape");
    assert_eq!(error.code(), "wrong_tensor_shape");
    assert_eq!(
        error.to_string(),
        "tensor `single`: expected shape [4, 1], found [2, 2]"
    );
    let error = weights
        .read("absent", Some(&[4]), &Device::Cpu)
        .expect_err("absent");
    assert_eq!(
        error.to_string(),
        "tensor `absent`: expected shape [4], found no such tensor"
    );
}

#[test]
fn refuses_corrupt_files() {
    let good = sample();
    for length in [0, 7, 8, 9, 100, good.len() - 1] {
        assert_eq!(
            error_of(&good[..length]).code(),
            "corrupt_weights",
            "{length} bytes"
        );
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(error_of(&longer).code(), "corrupt_weights");
    let mut header = good.clone();
    header[8] = b'x';
    assert_eq!(error_of(&header).code(), "corrupt_weights");
    let mut huge = good;
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(error_of(&huge).code(), "corrupt_weights");
}

#[test]
fn reads_shards_and_names_the_missing_one() {
    let one = serialized(&[("a", Dtype::F32, vec![1], le([1.0_f32.to_le_bytes()]))]);
    let two = serialized(&[("b", Dtype::F32, vec![1], le([2.0_f32.to_le_bytes()]))]);
    let index = br#"{"weight_map": {"a": "s1.safetensors", "b": "s2.safetensors"}}"#;
    let files: [(&str, &[u8]); 3] = [
        (WEIGHTS_INDEX_FILE, index),
        ("s1.safetensors", &one),
        ("s2.safetensors", &two),
    ];
    let all = MemoryFiles::new(&files);
    let tensors = WeightsReader::open(&all)
        .and_then(|mut w| w.read_all(&Device::Cpu))
        .expect("both");
    assert_eq!(tensors["b"].to_vec1::<f32>().expect("f32"), [2.0]);
    let part = MemoryFiles::new(&files[..2]);
    let error = WeightsReader::open(&part)
        .map(|_| ())
        .expect_err("missing shard");
    assert_eq!(error.code(), "missing_file");
    assert!(error.to_string().contains("s2.safetensors"));
}

#[test]
fn an_index_cannot_point_outside_the_model() {
    let error = shard_names(br#"{"weight_map": {"a": "../x"}}"#).expect_err("outside");
    assert_eq!(error.code(), "corrupt_weights");
}

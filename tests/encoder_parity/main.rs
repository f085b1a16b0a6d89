//! The encoders against Hugging Face transformers, on small random models that
//! `tests/fixtures/make_encoders.py` and `make_torch_encoders.py` make.

#![allow(clippy::expect_used, clippy::single_range_in_vec_init)]

mod broken;
mod embedders;
mod families;
mod precision;
mod tokens;

use std::path::{Path, PathBuf};

use candle_core::Device;
use stance::encoder::Encoder;
use stance::encoder::bert::Bert;
use stance::encoder::config::Architecture;
use stance::encoder::files::Folder;
use stance::encoder::load::EncoderParts;
use stance::error::ErrorCode;

const MODELS: [&str; 7] = [
    "bert",
    "xlm-roberta",
    "distilbert",
    "deberta-v2",
    "deberta-v2-conv",
    "modernbert",
    "mmbert",
];
/// The models that have BERT's tensors under BERT's names.
const BERTS: [&str; 2] = ["bert", "xlm-roberta"];
/// The longest sequence of the tests that all models share.
const MAX_TOKENS: usize = 300;
/// Cosine per token that counts as the same.
const MIN_COSINE: f64 = 0.9999;
/// Relative error of a token's state, by its largest component.
const MAX_RELATIVE_ERROR: f32 = 1e-4;

fn folder(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/encoders")
        .join(model)
}

fn load(model: &str) -> EncoderParts {
    EncoderParts::load(&Folder::new(folder(model)), &Device::Cpu).expect(model)
}

/// One sequence and what transformers makes of it, `[tokens][hidden]`.
struct Reference {
    ids: Vec<u32>,
    /// The tokens whose states are kept; all when `None`.
    rows: Option<Vec<u32>>,
    states: Vec<Vec<f32>>,
}

fn references(model: &str) -> Vec<Reference> {
    let path = folder(model).join("expected.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).expect("expected states");
    let count = tensors.keys().filter(|key| key.starts_with("ids.")).count();
    (0..count)
        .map(|number| Reference {
            ids: tensors[&format!("ids.{number}")].to_vec1().expect("ids"),
            rows: tensors
                .get(&format!("rows.{number}"))
                .map(|rows| rows.to_vec1().expect("rows")),
            states: tensors[&format!("states.{number}")]
                .to_vec2()
                .expect("states"),
        })
        .collect()
}

/// The references that are not too long to be read several times.
fn short_references(model: &str) -> Vec<Reference> {
    let mut references = references(model);
    references.retain(|reference| reference.ids.len() <= MAX_TOKENS);
    references
}

/// The states of each sequence, encoded together.
fn encode(encoder: &dyn Encoder, sequences: &[&[u32]]) -> Vec<Vec<Vec<f32>>> {
    let packed = encoder.encode(sequences).expect("encoded");
    assert_eq!(packed.sequences(), sequences.len());
    let states: Vec<Vec<f32>> = packed.states.to_vec2().expect("f32 states");
    packed
        .offsets
        .windows(2)
        .map(|pair| states[pair[0]..pair[1]].to_vec())
        .collect()
}

/// The worst cosine and the worst relative error over all tokens.
#[derive(Clone, Copy, Debug)]
struct Agreement {
    cosine: f64,
    relative_error: f32,
}

fn compare(found: &[Vec<f32>], expected: &[Vec<f32>]) -> Agreement {
    assert_eq!(found.len(), expected.len());
    let mut worst = Agreement {
        cosine: 1.0,
        relative_error: 0.0,
    };
    for (a, b) in found.iter().zip(expected) {
        assert_eq!(a.len(), b.len());
        let dot = |x: &[f32], y: &[f32]| -> f64 {
            x.iter()
                .zip(y)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum()
        };
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        let largest = b
            .iter()
            .fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let error = a
            .iter()
            .zip(b)
            .fold(0.0_f32, |error, (x, y)| error.max((x - y).abs()));
        assert!(cosine.is_finite() && error.is_finite());
        worst.cosine = worst.cosine.min(cosine);
        worst.relative_error = worst.relative_error.max(error / largest);
    }
    worst
}

fn assert_agrees(agreement: Agreement, what: &str) {
    assert!(agreement.cosine >= MIN_COSINE, "{what}: {agreement:?}");
    assert!(
        agreement.relative_error <= MAX_RELATIVE_ERROR,
        "{what}: {agreement:?}"
    );
}

#[test]
fn states_equal_those_of_transformers() {
    for model in MODELS {
        let encoder = load(model).encoder().expect(model);
        let mut longest = 0;
        let mut worst = Agreement {
            cosine: 1.0,
            relative_error: 0.0,
        };
        for reference in references(model) {
            let mut found = encode(encoder.as_ref(), &[&reference.ids]).swap_remove(0);
            if let Some(rows) = &reference.rows {
                found = rows
                    .iter()
                    .map(|&row| found[row as usize].clone())
                    .collect();
            }
            let agreement = compare(&found, &reference.states);
            assert_agrees(
                agreement,
                &format!("{model}, {} tokens", reference.ids.len()),
            );
            worst.cosine = worst.cosine.min(agreement.cosine);
            worst.relative_error = worst.relative_error.max(agreement.relative_error);
            longest = longest.max(reference.ids.len());
        }
        // Every length up to the maximum, past position 255 in particular.
        assert_eq!(longest, encoder.info().max_tokens);
        println!("{model}: {worst:?}");
    }
}

/// The comparison itself must be able to fail.
#[test]
fn a_network_with_other_heads_or_positions_does_not_agree() {
    for model in BERTS {
        let parts = load(model);
        let mut heads = parts.config.clone();
        heads.num_attention_heads = 2;
        let mut positions = parts.config.clone();
        positions.architecture = match positions.architecture {
            Architecture::Bert => Architecture::Roberta,
            _ => Architecture::Bert,
        };
        for config in [heads, positions] {
            let encoder = Bert::load(&parts.weights, &config).expect("builds");
            let reference = references(model).swap_remove(3);
            let found = encode(&encoder, &[&reference.ids]);
            let agreement = compare(&found[0], &reference.states);
            assert!(agreement.cosine < 0.99, "{model}: {agreement:?}");
        }
    }
}

#[test]
fn a_batch_equals_its_sequences_alone() {
    for model in MODELS {
        let encoder = load(model).encoder().expect(model);
        let references = short_references(model);
        let ids: Vec<&[u32]> = references.iter().map(|r| r.ids.as_slice()).collect();
        let together = encode(encoder.as_ref(), &ids);
        for (states, reference) in together.iter().zip(&references) {
            let what = format!("{model}, batched, {} tokens", reference.ids.len());
            assert_agrees(compare(states, &reference.states), &what);
            let alone = encode(encoder.as_ref(), &[&reference.ids]);
            assert_agrees(compare(states, &alone[0]), &what);
        }
        let mut reversed = ids.clone();
        reversed.reverse();
        let mut back = encode(encoder.as_ref(), &reversed);
        back.reverse();
        for (a, b) in together.iter().zip(&back) {
            assert_agrees(compare(a, b), "another order");
        }
    }
}

#[test]
fn lengths_up_to_the_maximum_equal_their_place_in_a_batch() {
    for model in MODELS {
        let encoder = load(model).encoder().expect(model);
        let references = short_references(model);
        let longest = references
            .iter()
            .find(|r| r.ids.len() == MAX_TOKENS)
            .expect("full length");
        let lengths = (1..=MAX_TOKENS).filter(|n| n % 7 == 1 || (254..=258).contains(n));
        let lengths = lengths.chain([2, 3, MAX_TOKENS]);
        let prefixes: Vec<&[u32]> = lengths.map(|n| &longest.ids[..n]).collect();
        for chunk in prefixes.chunks(25) {
            for (states, ids) in encode(encoder.as_ref(), chunk).iter().zip(chunk) {
                let alone = encode(encoder.as_ref(), &[ids]);
                let what = format!("{model}, {} tokens", ids.len());
                assert_agrees(compare(states, &alone[0]), &what);
            }
        }
    }
}

#[test]
fn the_encoder_refuses_what_it_cannot_read() {
    for model in MODELS {
        let encoder = load(model).encoder().expect(model);
        let info = encoder.info();
        let long = vec![5; info.max_tokens + 1];
        let beyond = [info.vocab as u32];
        for (sequences, code) in [
            (vec![&[5_u32, 6][..], &[]], "empty_sequence"),
            (vec![&[5], long.as_slice()], "sequence_too_long"),
            (vec![&beyond[..]], "token_out_of_range"),
        ] {
            let error = encoder.encode(&sequences).expect_err(code);
            assert_eq!(error.code(), code);
        }
        let none = encoder.encode(&[]).expect("nothing to do");
        assert_eq!((none.sequences(), none.states.dims()), (0, &[0, 32][..]));
    }
}

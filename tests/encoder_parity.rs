//! The encoder against Hugging Face transformers, on small random models that
//! `tests/fixtures/make_encoders.py` makes.

#![allow(clippy::expect_used, clippy::single_range_in_vec_init)]

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::Deserialize;
use stance::encoder::bert::Bert;
use stance::encoder::config::{Architecture, EncoderConfig};
use stance::encoder::files::Folder;
use stance::encoder::load::EncoderParts;
use stance::encoder::tokenizer::TextTokenizer;
use stance::encoder::weights::WEIGHTS_FILE;
use stance::encoder::{Encoder, EncoderError};
use stance::error::ErrorCode;

const MODELS: [&str; 2] = ["bert", "xlm-roberta"];
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
    states: Vec<Vec<f32>>,
}

fn references(model: &str) -> Vec<Reference> {
    let path = folder(model).join("expected.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).expect("expected states");
    (0..tensors.len() / 2)
        .map(|number| Reference {
            ids: tensors[&format!("ids.{number}")].to_vec1().expect("ids"),
            states: tensors[&format!("states.{number}")]
                .to_vec2()
                .expect("states"),
        })
        .collect()
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
        assert_eq!(encoder.info().max_tokens, MAX_TOKENS);
        let mut longest = 0;
        let mut worst = Agreement {
            cosine: 1.0,
            relative_error: 0.0,
        };
        for reference in references(model) {
            let found = encode(encoder.as_ref(), &[&reference.ids]);
            let agreement = compare(&found[0], &reference.states);
            assert_agrees(
                agreement,
                &format!("{model}, {} tokens", reference.ids.len()),
            );
            worst.cosine = worst.cosine.min(agreement.cosine);
            worst.relative_error = worst.relative_error.max(agreement.relative_error);
            longest = longest.max(reference.ids.len());
        }
        // Every length up to the maximum, past position 255 in particular.
        assert_eq!(longest, MAX_TOKENS);
        println!("{model}: {worst:?}");
    }
}

/// The comparison itself must be able to fail.
#[test]
fn a_network_with_other_heads_or_positions_does_not_agree() {
    for model in MODELS {
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
        let references = references(model);
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
        let references = references(model);
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
        let long = vec![5; MAX_TOKENS + 1];
        for (sequences, code) in [
            (vec![&[5_u32, 6][..], &[]], "empty_sequence"),
            (vec![&[5], long.as_slice()], "sequence_too_long"),
            (vec![&[500]], "token_out_of_range"),
        ] {
            let error = encoder.encode(&sequences).expect_err(code);
            assert_eq!(error.code(), code);
        }
        let none = encoder.encode(&[]).expect("nothing to do");
        assert_eq!((none.sequences(), none.states.dims()), (0, &[0, 32][..]));
    }
}

/// A text as the Python `tokenizers` tokenizes it.
#[derive(Deserialize)]
struct Tokenized {
    text: String,
    ids: Vec<u32>,
    spans: Vec<[u32; 2]>,
    wrapped: Vec<u32>,
}

fn tokenized(model: &str) -> Vec<Tokenized> {
    let json = std::fs::read(folder(model).join("texts.json")).expect("texts");
    serde_json::from_slice(&json).expect("texts")
}

#[test]
fn tokens_and_spans_equal_those_of_hugging_face() {
    for model in MODELS {
        let tokenizer = load(model).tokenizer;
        for expected in tokenized(model) {
            let text = &expected.text;
            let tokens = tokenizer
                .encode(text, std::slice::from_ref(&(0..text.len())))
                .expect("ok");
            assert_eq!(tokens.ids, expected.ids, "{model}: {text:?}");
            let spans: Vec<Range<u32>> = expected.spans.iter().map(|[a, b]| *a..*b).collect();
            assert_eq!(tokens.spans, spans, "{model}: {text:?}");
            assert_eq!(
                tokenizer.wrap(&tokens.ids),
                expected.wrapped,
                "{model}: {text:?}"
            );
        }
    }
}

#[test]
fn sentences_keep_their_tokens_apart_and_their_places() {
    let text = "قَالَ الرَّئِيسُ 🎉. Ministers said so.  Die Außenministerin, É!";
    let sentences: Vec<Range<usize>> = [
        "قَالَ الرَّئِيسُ 🎉.",
        "Ministers said so.",
        "Die Außenministerin, É!",
    ]
    .iter()
    .map(|sentence| {
        let start = text.find(sentence).expect("in the text");
        start..start + sentence.len()
    })
    .collect();
    for model in MODELS {
        let tokenizer = load(model).tokenizer;
        let tokens = tokenizer.encode(text, &sentences).expect("tokens");
        assert_eq!(tokens.len(), tokens.spans.len());
        assert_eq!(tokens.len(), tokens.sentence_of.len());
        assert!(tokens.sentence_of.is_sorted());
        for (span, &sentence) in tokens.spans.iter().zip(&tokens.sentence_of) {
            let range = span.start as usize..span.end as usize;
            let inside = &sentences[sentence as usize];
            assert!(inside.start <= range.start && range.end <= inside.end);
            let piece = text.get(range).expect("on character boundaries");
            assert_eq!(
                piece.trim(),
                if piece.trim().is_empty() { "" } else { piece }
            );
        }
        // Arabic vowel signs, which BERT's normalizer removes, need not be in a token.
        let is_letter = |c: &char| c.is_alphabetic() && !('\u{64B}'..='\u{652}').contains(c);
        let pieces: Vec<&str> = tokens
            .spans
            .iter()
            .map(|s| &text[s.start as usize..s.end as usize])
            .collect();
        for letter in text.chars().filter(is_letter) {
            let covered = pieces.iter().any(|piece| piece.contains(letter));
            assert!(covered, "{model}: {letter:?} is in no token");
        }
    }
}

#[test]
fn special_tokens_and_unknown_characters() {
    for (model, [cls, sep, pad, unk]) in MODELS.iter().zip([
        ["[CLS]", "[SEP]", "[PAD]", "[UNK]"],
        ["<s>", "</s>", "<pad>", "<unk>"],
    ]) {
        let tokenizer = load(model).tokenizer;
        let id = |token: &str| tokenizer.inner().token_to_id(token);
        assert_eq!(tokenizer.cls_id(), id(cls));
        assert_eq!(tokenizer.sep_id(), id(sep));
        assert_eq!(tokenizer.pad_id(), id(pad));
        assert_eq!(tokenizer.unk_id(), id(unk));
        assert!(tokenizer.unk_id().is_some());
        assert_eq!((tokenizer.prefix_len(), tokenizer.special_len()), (1, 2));

        let text = format!("a {sep} b");
        let tokens = tokenizer
            .encode(&text, std::slice::from_ref(&(0..text.len())))
            .expect("ok");
        assert!(
            !tokens.ids.contains(&id(sep).expect("there")),
            "{model}: text made a {sep}"
        );

        let text = "ꙮ";
        let tokens = tokenizer
            .encode(text, std::slice::from_ref(&(0..text.len())))
            .expect("ok");
        assert!(tokenizer.unknown_fraction(&tokens.ids) > 0.0);
        let text = "decision";
        let tokens = tokenizer
            .encode(text, std::slice::from_ref(&(0..text.len())))
            .expect("ok");
        assert!(tokenizer.unknown_fraction(&tokens.ids) < f32::EPSILON);
        assert!(tokenizer.unknown_fraction(&[]) < f32::EPSILON);
    }
}

#[test]
fn spans_that_are_not_in_the_text_are_refused() {
    let tokenizer = load("bert").tokenizer;
    let backwards = Range { start: 4, end: 2 };
    for sentences in [vec![0..9], vec![0..1], vec![0..4, 2..4], vec![backwards]] {
        let error = tokenizer.encode("éa b", &sentences).expect_err("refused");
        assert_eq!(error.code(), "invalid_span", "{sentences:?}");
    }
}

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
    for model in MODELS {
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
    let parts = load("xlm-roberta");
    let copy = tempfile::tempdir().expect("folder");
    let tensors: HashMap<String, Tensor> = stance::encoder::load::expected_tensors(&parts.config)
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
    let tokenizer = folder("xlm-roberta").join("tokenizer.json");
    std::fs::copy(tokenizer, copy.path().join("tokenizer.json")).expect("copied");
    let again = EncoderParts::load(&Folder::new(copy.path()), &Device::Cpu).expect("reads back");
    assert_eq!(again.config, EncoderConfig::clone(&parts.config));
    let ids: &[u32] = &[0, 7, 8, 2];
    let a = encode(parts.encoder().expect("encoder").as_ref(), &[ids]);
    let b = encode(again.encoder().expect("encoder").as_ref(), &[ids]);
    assert_eq!(a, b);
}

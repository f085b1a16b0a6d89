//! What only some architectures have, and weights stored in other ways.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use stance::encoder::EncoderConfig;
use stance::encoder::config::Family;
use stance::encoder::deberta::{Deberta, bucket};
use stance::encoder::files::Folder;
use stance::encoder::load::EncoderParts;
use stance::encoder::modernbert::ModernBert;
use stance::encoder::weights::{WEIGHTS_FILE, WEIGHTS_INDEX_FILE};

use crate::{compare, encode, folder, load, references};

#[test]
fn distances_fall_into_the_buckets_of_transformers() {
    let json = std::fs::read(folder("deberta-v2").join("buckets.json")).expect("buckets");
    let tables: Vec<(usize, usize, Vec<i64>)> = serde_json::from_slice(&json).expect("buckets");
    assert_eq!(tables.len(), 5);
    for (buckets, largest, expected) in tables {
        let found: Vec<i64> = (0..expected.len() as i64)
            .map(|distance| bucket(distance, buckets, largest))
            .collect();
        assert_eq!(found, expected, "{buckets} buckets for {largest}");
    }
}

/// The comparison must be able to fail for each part of the network.
#[test]
fn a_deberta_without_one_of_its_parts_does_not_agree() {
    for model in ["deberta-v2", "deberta-v2-conv"] {
        let parts = load(model);
        let without = |change: &dyn Fn(&mut stance::encoder::config::DebertaConfig)| {
            let mut config: EncoderConfig = parts.config.clone();
            let Family::Deberta(deberta) = &mut config.family else {
                unreachable!("{model} is DeBERTa");
            };
            change(deberta);
            config
        };
        let mut changed = vec![
            without(&|deberta| deberta.content_to_position = false),
            without(&|deberta| deberta.position_to_content = false),
            without(&|deberta| deberta.distances = None),
        ];
        if model == "deberta-v2-conv" {
            changed.push(without(&|deberta| deberta.convolution = None));
            changed.push(without(&|deberta| deberta.position_biased_input = false));
        }
        for config in changed {
            let encoder = Deberta::load(&parts.weights, &config).expect("builds");
            let reference = references(model).swap_remove(3);
            let found = encode(&encoder, &[&reference.ids]);
            let agreement = compare(&found[0], &reference.states);
            assert!(agreement.cosine < 0.999, "{model}: {agreement:?}");
        }
    }
}

#[test]
fn a_modernbert_with_other_surroundings_or_angles_does_not_agree() {
    let parts = load("modernbert");
    let Family::ModernBert(modern) = &parts.config.family else {
        unreachable!("it is ModernBERT");
    };
    assert_eq!(modern.local_layers, [false, true, true, false]);
    let mut wide = modern.clone();
    wide.local_attention += 2;
    let mut turned = modern.clone();
    turned.local_rope_theta *= 2.0;
    let mut everywhere = modern.clone();
    everywhere.local_layers[1] = false;
    for family in [wide, turned, everywhere] {
        let mut config = parts.config.clone();
        config.family = Family::ModernBert(family);
        let encoder = ModernBert::load(&parts.weights, &config).expect("builds");
        let reference = references("modernbert").swap_remove(3);
        let found = encode(&encoder, &[&reference.ids]);
        let agreement = compare(&found[0], &reference.states);
        assert!(agreement.cosine < 0.999, "{agreement:?}");
    }
}

/// The same model with its weights as `dtype`, in two files.
fn stored_as(model: &str, dtype: DType, target: &Path) {
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(folder(model).join(name), target.join(name)).expect("copied");
    }
    let tensors = candle_core::safetensors::load(folder(model).join(WEIGHTS_FILE), &Device::Cpu)
        .expect("weights");
    let mut shards = [HashMap::new(), HashMap::new()];
    let mut map = HashMap::new();
    let mut names: Vec<&String> = tensors.keys().collect();
    names.sort();
    for (number, name) in names.into_iter().enumerate() {
        let tensor: Tensor = tensors[name].to_dtype(dtype).expect("converted");
        let shard = number % 2;
        map.insert(name.clone(), shard_name(shard));
        shards[shard].insert(name.clone(), tensor);
    }
    for (number, shard) in shards.iter().enumerate() {
        candle_core::safetensors::save(shard, target.join(shard_name(number))).expect("saved");
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": map});
    std::fs::write(target.join(WEIGHTS_INDEX_FILE), index.to_string()).expect("written");
}

fn shard_name(number: usize) -> String {
    format!("model-0000{}-of-00002.safetensors", number + 1)
}

#[test]
fn half_precision_in_shards_reads_as_the_same_model() {
    for (model, dtype, exact) in [
        ("xlm-roberta", DType::F32, true),
        ("xlm-roberta", DType::BF16, false),
        ("xlm-roberta", DType::F16, false),
        ("deberta-v2", DType::BF16, true),
        ("modernbert", DType::F16, true),
    ] {
        let copy = tempfile::tempdir().expect("folder");
        stored_as(model, dtype, copy.path());
        let parts = EncoderParts::load(&Folder::new(copy.path()), &Device::Cpu).expect(model);
        let encoder = parts.encoder().expect(model);
        let reference = references(model).swap_remove(3);
        let found = encode(encoder.as_ref(), &[&reference.ids]);
        let agreement = compare(&found[0], &reference.states);
        assert!(
            agreement.cosine >= 0.999,
            "{model} {dtype:?}: {agreement:?}"
        );
        // What was rounded before it was stored is not rounded again.
        assert_eq!(
            agreement.relative_error <= crate::MAX_RELATIVE_ERROR,
            exact,
            "{model} {dtype:?}: {agreement:?}"
        );
    }
}

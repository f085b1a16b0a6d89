use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarBuilder;

use super::{relative_error, values};
use crate::encoder::bert::Bert;
use crate::encoder::cpu::Precision;
use crate::encoder::load::expected_tensors;
use crate::encoder::{Encoder, EncoderConfig};

fn of_width(hidden: usize, inner: usize) -> EncoderConfig {
    let json = format!(
        r#"{{
        "model_type": "bert", "vocab_size": 50, "hidden_size": {hidden}, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": {inner}, "max_position_embeddings": 80,
        "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"
    }}"#
    );
    EncoderConfig::from_json(json.as_bytes()).expect("a valid configuration")
}

fn config() -> EncoderConfig {
    of_width(64, 160)
}

/// One whose f32 products are made of halves.
fn halved() -> EncoderConfig {
    of_width(128, 192)
}

fn weights(config: &EncoderConfig) -> Result<BTreeMap<String, Var>> {
    expected_tensors(config)
        .into_iter()
        .enumerate()
        .map(|(i, (name, shape))| {
            let count = shape.iter().product();
            let norm = name.contains("LayerNorm.weight");
            let data = values(count, i as u64 + 10)
                .into_iter()
                .map(|x| if norm { 1.0 + 0.3 * x } else { 0.3 * x })
                .collect::<Vec<f32>>();
            let tensor = Tensor::from_vec(data, shape, &Device::Cpu)?;
            Ok((name, Var::from_tensor(&tensor)?))
        })
        .collect()
}

fn view(vars: &BTreeMap<String, Var>) -> VarBuilder<'static> {
    let tensors = vars
        .iter()
        .map(|(name, var)| (name.clone(), var.as_tensor().clone()))
        .collect();
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

fn sequences() -> Vec<Vec<u32>> {
    [1usize, 7, 60, 75, 13]
        .iter()
        .enumerate()
        .map(|(i, n)| (0..*n).map(|j| ((i * 17 + j * 7) % 50) as u32).collect())
        .collect()
}

/// States and gradients of all weights, the loss being a fixed weighting of two passes.
fn outcome(encoder: &Bert, vars: &BTreeMap<String, Var>) -> Result<BTreeMap<String, Vec<f32>>> {
    let sequences = sequences();
    let refs: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    let all = encoder.encode(&refs).expect("encodes").states;
    let some = encoder.encode(&refs[2..4]).expect("encodes").states;
    let weighted = |x: &Tensor, seed| -> Result<Tensor> {
        let w = Tensor::from_vec(values(x.elem_count(), seed), x.shape(), &Device::Cpu)?;
        (x * w)?.sum_all()
    };
    let loss = (weighted(&all, 1)? + weighted(&some, 2)?)?;
    let grads = encoder.backward(&loss)?;
    let mut out = BTreeMap::new();
    out.insert("states".to_owned(), all.flatten_all()?.to_vec1()?);
    for (name, var) in vars {
        let Some(grad) = grads.get(var.as_tensor()) else {
            candle_core::bail!("no gradient of {name}")
        };
        out.insert(name.clone(), grad.flatten_all()?.to_vec1()?);
    }
    Ok(out)
}

#[test]
fn states_and_gradients_agree_with_candle() -> Result<()> {
    let config = config();
    let vars = weights(&config)?;
    let stock = outcome(&Bert::stock(&view(&vars), &config)?, &vars)?;
    for (precision, bound) in [
        (Precision::F32, 1e-4),
        (Precision::Bf16, 0.02),
        (Precision::Int8, 0.06),
    ] {
        let encoder = Bert::trainable(&view(&vars), &config, precision)?;
        let ours = outcome(&encoder, &vars)?;
        for (name, expected) in &stock {
            let size: f32 = expected.iter().map(|x| x * x).sum::<f32>().sqrt();
            let error = relative_error(&ours[name], expected);
            // The gradient of the keys' biases is zero but for rounding.
            assert!(
                error <= bound || (name.contains("key.bias") && size < 1e-2),
                "{precision:?} {name}: {error} of {size}"
            );
        }
    }
    Ok(())
}

#[test]
fn frozen_weights_agree_with_candle_and_collect_nothing() -> Result<()> {
    frozen_agree(&config())?;
    frozen_agree(&halved())
}

fn frozen_agree(config: &EncoderConfig) -> Result<()> {
    let vars = weights(config)?;
    let frozen: std::collections::HashMap<String, Tensor> = vars
        .iter()
        .map(|(name, var)| (name.clone(), var.as_tensor().detach()))
        .collect();
    let vb = VarBuilder::from_tensors(frozen, DType::F32, &Device::Cpu);
    let sequences = sequences();
    let refs: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    let states = |encoder: &Bert| encoder.hidden_states(&refs).expect("encodes");
    let expected = states(&Bert::stock(&vb, config)?);
    for (encoder, bound) in [
        (Bert::load(&vb, config)?, 1e-5),
        (Bert::frozen(&vb, config, Precision::Bf16)?, 0.01),
        (Bert::frozen(&vb, config, Precision::Int8)?, 0.03),
        (Bert::trainable(&vb, config, Precision::F32)?, 1e-5),
    ] {
        let found = states(&encoder);
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(&expected) {
            let (a, b): (Vec<f32>, Vec<f32>) =
                (a.flatten_all()?.to_vec1()?, b.flatten_all()?.to_vec1()?);
            let error = relative_error(&a, &b);
            assert!(error <= bound, "{error}");
        }
    }
    Ok(())
}

/// A short text is shared among threads by the columns of the weights, a long one by rows: one thread,
/// which does neither, must see the same.
#[test]
fn the_number_of_threads_changes_no_state() -> Result<()> {
    same_with_threads(&config(), 1e-6)?;
    // Which rows are added depends on where a text is cut.
    same_with_threads(&halved(), 5e-6)
}

fn same_with_threads(config: &EncoderConfig, bound: f32) -> Result<()> {
    let vars = weights(config)?;
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let encoder = Bert::frozen(&view(&vars), config, precision)?;
        assert!(encoder.has_kernels());
        let states = |lengths: &[usize], threads: usize| {
            let sequences: Vec<Vec<u32>> = lengths
                .iter()
                .map(|n| (0..*n).map(|j| (j * 7 % 50) as u32).collect())
                .collect();
            let refs: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().expect("a pool");
            let states = pool.install(|| encoder.encode(&refs)).expect("encodes");
            states.states.flatten_all()?.to_vec1::<f32>()
        };
        for lengths in [&[1][..], &[16], &[40], &[3, 1, 20], &[41], &[75, 13]] {
            let alone = states(lengths, 1)?;
            for threads in [2, 3, 7] {
                let error = relative_error(&states(lengths, threads)?, &alone);
                assert!(
                    error < bound,
                    "{precision:?} {lengths:?} {threads}: {error}"
                );
            }
        }
    }
    Ok(())
}

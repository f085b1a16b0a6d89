use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::super::layout::{Blocks, bucket};
use super::{Query, StanceHead, StanceLogits, combine, tensor_shapes};
use crate::encoder::TokenStates;
use crate::encoder::ops::testing::{distance, values};
use crate::heads::HeadsConfig;
use crate::heads::calibration::Calibration;

const HIDDEN: usize = 24;

fn head() -> Result<StanceHead> {
    let config = HeadsConfig {
        schema: 1,
        window_tokens: 64,
        window_overlap: 8,
        topics: vec!["medtop:01000000".into()],
        attention_heads: 3,
        inner: 16,
        calibration: Calibration::default(),
    };
    let mut tensors = HashMap::new();
    for (seed, (name, shape)) in tensor_shapes(&config, HIDDEN).into_iter().enumerate() {
        tensors.insert(name, values(&shape, seed as u32)?);
    }
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    StanceHead::load(&vb, &config, HIDDEN)
}

fn states(lengths: &[usize]) -> Result<TokenStates> {
    let offsets = crate::encoder::offsets_of(lengths.iter().copied());
    let total = lengths.iter().sum();
    Ok(TokenStates {
        states: values(&[total, HIDDEN], 99)?,
        offsets,
    })
}

fn query(sequence: usize, mention: std::ops::Range<usize>, scope: std::ops::Range<usize>) -> Query {
    Query {
        sequence,
        mentions: vec![mention],
        scope,
        paired: false,
    }
}

fn ask(states: &TokenStates, queries: &[Query]) -> Result<StanceLogits> {
    head()?.forward(states, queries, &|x| Ok(x.clone()))
}

#[test]
fn a_query_does_not_depend_on_its_company() -> Result<()> {
    let both = states(&[7, 12])?;
    let queries = [
        query(1, 2..4, 1..11),
        query(0, 1..2, 1..6),
        query(1, 9..10, 1..11),
    ];
    let together = ask(&both, &queries)?;
    for (i, q) in queries.iter().enumerate() {
        let alone = ask(&both, std::slice::from_ref(q))?;
        assert!(distance(&alone.logits.get(0)?, &together.logits.get(i)?)? < 1e-5);
        assert!(distance(&alone.gates.get(0)?, &together.gates.get(i)?)? < 1e-5);
    }
    Ok(())
}

/// What one query attends to, with a key and a value for every token, as it is usually written.
fn context_by_tokens(head: &StanceHead, states: &Tensor, q: &Query) -> Result<Vec<f32>> {
    let product = |weight: &Tensor, x: &Tensor| weight.matmul(&x.t()?)?.t();
    let dim = HIDDEN / head.heads;
    let target = states
        .narrow(0, q.mentions[0].start, q.mentions[0].len())?
        .mean_keepdim(0)?
        .broadcast_add(&head.named.narrow(0, usize::from(q.paired), 1)?)?;
    let query = head.query.forward(&target)?.to_vec2::<f32>()?;
    // Any bias: it is the same for all tokens.
    let bias = values(&[HIDDEN], 5)?;
    let keys = product(&head.key, states)?.broadcast_add(&bias)?;
    let keys = keys.to_vec2::<f32>()?;
    let given = head.value.forward(states)?.to_vec2::<f32>()?;
    let distances = head.distance.t()?.to_vec2::<f32>()?;
    let mut context = vec![0.0; HIDDEN];
    for (h, distances) in distances.iter().enumerate() {
        let part = h * dim..(h + 1) * dim;
        let scores: Vec<f32> = q
            .scope
            .clone()
            .map(|j| {
                let products = query[0][part.clone()].iter().zip(&keys[j][part.clone()]);
                let score: f32 = products.map(|(a, b)| a * b).sum();
                score / (dim as f32).sqrt() + distances[bucket(q.distance(j))]
            })
            .collect();
        let total: f32 = scores.iter().map(|score| score.exp()).sum();
        for (j, score) in q.scope.clone().zip(&scores) {
            for i in part.clone() {
                context[i] += score.exp() / total * given[j][i];
            }
        }
    }
    Ok(context)
}

#[test]
fn products_on_the_side_of_the_queries_are_those_with_keys_and_values() -> Result<()> {
    let head = head()?;
    let both = states(&[7, 12])?;
    let queries = [
        query(0, 1..3, 1..6),
        query(1, 4..6, 2..11),
        query(1, 9..10, 1..5),
    ];
    let blocks = Blocks::new(&both, &queries, &Device::Cpu)?;
    let context = head.attend(&both, &blocks)?.context;
    let (b, q, _) = blocks.dims;
    let rows = context.reshape((b * q, HIDDEN))?;
    let rows: Vec<Vec<f32>> = rows.index_select(&blocks.scatter, 0)?.to_vec2()?;
    for (row, q) in rows.iter().zip(&queries) {
        let range = both.offsets[q.sequence]..both.offsets[q.sequence + 1];
        let own = both.states.narrow(0, range.start, range.len())?;
        for (is, wanted) in row.iter().zip(context_by_tokens(&head, &own, q)?) {
            assert!((is - wanted).abs() < 1e-5, "{is} is not {wanted}");
        }
    }
    Ok(())
}

#[test]
fn only_the_scope_is_read() -> Result<()> {
    let one = states(&[10])?;
    let q = query(0, 2..3, 1..5);
    let before = ask(&one, std::slice::from_ref(&q))?.logits;
    let change = |row: usize| -> Result<Tensor> {
        let mut rows: Vec<Vec<f32>> = one.states.to_vec2()?;
        rows[row].iter_mut().for_each(|x| *x += 3.0);
        let states = TokenStates {
            states: Tensor::new(rows, &Device::Cpu)?,
            ..one.clone()
        };
        Ok(ask(&states, std::slice::from_ref(&q))?.logits)
    };
    assert!(
        distance(&before, &change(7)?)? < 1e-6,
        "a token outside the scope counts"
    );
    assert!(
        distance(&before, &change(4)?)? > 1e-3,
        "a token inside does not"
    );
    Ok(())
}

#[test]
fn a_name_in_front_may_stand_anywhere() -> Result<()> {
    let one = states(&[9])?;
    let q = |paired| Query {
        paired,
        ..query(0, 1..2, 4..8)
    };
    let near = Query {
        paired: true,
        ..query(0, 3..4, 4..8)
    };
    // Equal states make two places differ by their distance alone.
    let mut rows: Vec<Vec<f32>> = one.states.to_vec2()?;
    rows[3] = rows[1].clone();
    let same = TokenStates {
        states: Tensor::new(rows, &Device::Cpu)?,
        ..one
    };
    let logits = |q: Query| -> Result<Tensor> { Ok(ask(&same, &[q])?.logits) };
    assert!(distance(&logits(q(true))?, &logits(near.clone())?)? < 1e-6);
    let near = Query {
        paired: false,
        ..near
    };
    assert!(distance(&logits(q(false))?, &logits(near)?)? > 1e-4);
    assert!(distance(&logits(q(false))?, &logits(q(true))?)? > 1e-4);
    Ok(())
}

#[test]
fn queries_outside_their_window_are_refused() -> Result<()> {
    let one = states(&[6])?;
    for bad in [
        query(1, 1..2, 1..5),
        Query {
            mentions: Vec::new(),
            ..query(0, 1..2, 1..5)
        },
        query(0, 5..7, 1..5),
        query(0, 1..2, 3..3),
        query(0, 1..2, 1..9),
    ] {
        assert!(ask(&one, &[bad]).is_err());
    }
    Ok(())
}

#[test]
fn windows_combine_by_their_gates() -> Result<()> {
    let answers = StanceLogits {
        logits: Tensor::new(
            &[[3.0f32, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]],
            &Device::Cpu,
        )?,
        gates: Tensor::new(&[0.0f32, 20.0, 0.0], &Device::Cpu)?,
    };
    let rows: Vec<Vec<f32>> = combine(&answers, &[vec![0, 1], vec![0, 2], vec![2]])?.to_vec2()?;
    assert!(rows[0][1] > 2.99 && rows[0][0] < 0.01);
    assert!((rows[1][0] - 1.5).abs() < 1e-5 && (rows[1][2] - 1.5).abs() < 1e-5);
    assert!((rows[2][2] - 3.0).abs() < 1e-5);
    Ok(())
}

//! The encoder for `benches/peers/run.py`, which times other engines on the same weights: one JSON
//! request a line in, one answer a line out.
//!
//! ```text
//! cargo bench --bench peer -- MODEL_FOLDER f32|bf16|int8|stock
//! ```
//!
//! A request is `{"sequences": [[ids]], "states": "FILE" or null}`; the answer is
//! `{"seconds": wall time of the pass, "cpu": processor time of all threads}`. `FILE` gets the packed token states as little-endian f32.

mod clock;

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use candle_core::Device;
use clock::Taken;
use serde::Deserialize;
use serde_json::json;
use stance::encoder::Encoder;
use stance::encoder::bert::Bert;
use stance::encoder::cpu::Precision;
use stance::encoder::files::Folder;
use stance::encoder::load::EncoderParts;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    sequences: Vec<Vec<u32>>,
    states: Option<PathBuf>,
}

fn load(folder: &str, form: &str) -> Result<Bert, Box<dyn Error>> {
    let parts = EncoderParts::load(&Folder::new(folder), &Device::Cpu)?;
    let (weights, config) = (&parts.weights, &parts.config);
    Ok(match form {
        "f32" => Bert::frozen(weights, config, Precision::F32)?,
        "bf16" => Bert::frozen(weights, config, Precision::Bf16)?,
        "int8" => Bert::frozen(weights, config, Precision::Int8)?,
        "stock" => Bert::stock(weights, config)?,
        other => return Err(format!("`{other}` is not f32, bf16, int8 or stock").into()),
    })
}

fn answer(encoder: &Bert, line: &str) -> Result<Taken, Box<dyn Error>> {
    let request: Request = serde_json::from_str(line)?;
    let sequences: Vec<&[u32]> = request.sequences.iter().map(Vec::as_slice).collect();
    let (states, taken) = clock::timed(|| encoder.encode(&sequences));
    let states = states?.states;
    if let Some(path) = request.states {
        let values: Vec<f32> = states.flatten_all()?.to_vec1()?;
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(path, bytes)?;
    }
    Ok(taken)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let (Some(folder), Some(form)) = (words.next(), words.next()) else {
        // `cargo bench` as a whole runs this too; there is nothing to compare with then.
        println!("peer: run benches/peers/run.py, which starts this program");
        return Ok(());
    };
    let encoder = load(&folder, &form)?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let Taken { wall, cpu } = answer(&encoder, &line?)?;
        writeln!(out, "{}", json!({ "seconds": wall, "cpu": cpu }))?;
        out.flush()?;
    }
    Ok(())
}

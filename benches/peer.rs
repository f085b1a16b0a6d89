//! The encoder for `benches/peers/run.py` and, on a GPU, `benches/peers/gpu.py`, which time other
//! engines on the same weights: one JSON request a line in, one answer a line out.
//!
//! ```text
//! cargo bench --bench peer -- MODEL_FOLDER f32|tf32|bf16|int8|stock [cpu|cuda|cuda:N|metal]
//! ```
//!
//! `int8` is for the CPU, the default; `tf32`, which is f32 multiplied by tensor cores, for CUDA.
//!
//! A request is `{"sequences": [[ids]], "states": "FILE" or null}`; the answer is
//! `{"seconds": wall time of the pass, "cpu": processor time of all threads}`. A pass begins with
//! ids in the memory of the CPU and ends when the device has computed the states. `FILE` gets the
//! packed token states as little-endian f32.

mod clock;

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use candle_core::Device;
use clock::Taken;
use serde::Deserialize;
use serde_json::json;
use stance::encoder::bert::Bert;
use stance::encoder::device::{DeviceChoice, set_tensor_cores};
use stance::encoder::dtype::DtypeChoice;
use stance::encoder::files::Folder;
use stance::encoder::load::EncoderParts;
use stance::encoder::{Encoder, EncoderError};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    sequences: Vec<Vec<u32>>,
    states: Option<PathBuf>,
}

fn load(folder: &str, form: &str, device: &Device) -> Result<Box<dyn Encoder>, Box<dyn Error>> {
    if form == "int8" && !device.is_cpu() {
        return Err("`int8` has kernels on the CPU alone: take f32, tf32 or bf16".into());
    }
    if form == "tf32" && !device.is_cuda() {
        return Err("`tf32` is of CUDA cards alone: take f32 or bf16".into());
    }
    set_tensor_cores(form == "tf32");
    let parts = EncoderParts::load(&Folder::new(folder), device)?;
    let choice = match form {
        "f32" | "tf32" => DtypeChoice::F32,
        "bf16" => DtypeChoice::Bf16,
        "int8" => DtypeChoice::Int8,
        "stock" => return Ok(Box::new(Bert::stock(&parts.weights, &parts.config)?)),
        other => return Err(format!("`{other}` is not f32, tf32, bf16, int8 or stock").into()),
    };
    // As every command loads it: weights that are stored as integers may stay so.
    Ok(parts.encoder_as(choice)?.0)
}

fn answer(encoder: &dyn Encoder, line: &str) -> Result<Taken, Box<dyn Error>> {
    let request: Request = serde_json::from_str(line)?;
    let sequences: Vec<&[u32]> = request.sequences.iter().map(Vec::as_slice).collect();
    let (states, taken) = clock::timed(|| -> Result<_, EncoderError> {
        let states = encoder.encode(&sequences)?.states;
        // A GPU answers before it has computed; on the CPU there is nothing to wait for.
        encoder.info().device.synchronize()?;
        Ok(states)
    });
    let states = states?;
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
    let device = words.next().unwrap_or_else(|| "cpu".to_owned());
    let device = device.parse::<DeviceChoice>()?.open()?;
    let encoder = load(&folder, &form, &device)?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let Taken { wall, cpu } = answer(encoder.as_ref(), &line?)?;
        writeln!(out, "{}", json!({ "seconds": wall, "cpu": cpu }))?;
        out.flush()?;
    }
    Ok(())
}

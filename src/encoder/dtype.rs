//! In which precision an encoder multiplies, and how `auto` decides.
//!
//! `auto` takes 8-bit integers where the processor has an instruction for their dot products and
//! every token state of a few built-in sentences stays as near to f32 as [`PARITY`] asks. It does
//! not measure time: the same machine must give the same answers every day.

use std::fmt;
use std::str::FromStr;

use super::cpu::Precision;
use super::error::EncoderError;
use super::{Encoder, TextTokenizer};

/// Least cosine between a token's state in f32 and in 8-bit integers.
pub const PARITY: f32 = 0.99;

/// What is read to decide: several scripts, a quotation, figures.
const CALIBRATION: [&str; 6] = [
    "The minister rejected the plan on Monday, calling it “a gift to the banks” that would cost \
     4.2 billion euros by 2027.",
    "رفض الوزير الخطة يوم الاثنين ووصفها بأنها هدية للمصارف، بينما رحبت بها المعارضة.",
    "Министр отверг план и назвал его подарком банкам; оппозиция его поддержала.",
    "Le ministre a rejeté le projet lundi, tandis que l’opposition l’a salué.",
    "部长周一拒绝了该计划，称其为送给银行的礼物，而反对派则表示欢迎。",
    "Bakan pazartesi günü planı reddetti; muhalefet ise memnuniyetle karşıladı.",
];

/// A precision as the user names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DtypeChoice {
    /// The fastest that stays near f32, by the processor and a check when the model is loaded.
    Auto,
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats; no CPU kernel of this program is faster with them.
    Bf16,
    /// Products of 8-bit integers, everything else in f32.
    Int8,
}

impl FromStr for DtypeChoice {
    type Err = EncoderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "int8" => Ok(Self::Int8),
            _ => Err(EncoderError::InvalidDtype(text.to_owned())),
        }
    }
}

impl fmt::Display for DtypeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

/// A decision and its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Dtype {
    /// What products are computed in.
    pub precision: Precision,
    /// Why, for the log and for people.
    pub reason: String,
}

impl Dtype {
    /// f32, because of `reason`.
    pub fn f32(reason: &str) -> Self {
        Self {
            precision: Precision::F32,
            reason: reason.to_owned(),
        }
    }
}

/// Chooses between two builds of one encoder, in f32 and in 8-bit integers.
///
/// # Errors
/// When the calibration text cannot be read by the tokenizer or the encoder.
pub fn decide(
    tokenizer: &TextTokenizer,
    exact: &dyn Encoder,
    integers: &dyn Encoder,
) -> Result<Dtype, EncoderError> {
    let limit = exact.info().max_tokens;
    let mut sequences = Vec::new();
    for text in CALIBRATION {
        let mut ids = tokenizer
            .encode(text, std::slice::from_ref(&(0..text.len())))?
            .ids;
        // A model of very short sequences is judged by the beginnings.
        ids.truncate(limit.saturating_sub(tokenizer.wrap(&[]).len()));
        sequences.push(tokenizer.wrap(&ids));
    }
    let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    let expected = states(exact, &sequences)?;
    let found = states(integers, &sequences)?;
    let cosine = worst_cosine(&expected, &found, exact.info().hidden);
    let precision = if cosine >= PARITY {
        Precision::Int8
    } else {
        Precision::F32
    };
    Ok(Dtype {
        precision,
        reason: format!(
            "the worst token state of the calibration text has cosine {cosine:.4} in int8, and at \
             least {PARITY} is asked"
        ),
    })
}

fn states(encoder: &dyn Encoder, ids: &[&[u32]]) -> Result<Vec<f32>, EncoderError> {
    Ok(encoder.encode(ids)?.states.flatten_all()?.to_vec1()?)
}

/// Smallest cosine between rows of `width`.
fn worst_cosine(a: &[f32], b: &[f32], width: usize) -> f32 {
    let rows = a.chunks_exact(width).zip(b.chunks_exact(width));
    rows.map(|(a, b)| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-30)
    })
    .fold(1.0, f32::min)
}

#[cfg(test)]
mod tests {
    use super::{DtypeChoice, worst_cosine};

    #[test]
    fn names_go_there_and_back() {
        for name in ["auto", "f32", "bf16", "int8"] {
            let choice: DtypeChoice = name.parse().expect(name);
            assert_eq!(choice.to_string(), name);
        }
        assert!("int4".parse::<DtypeChoice>().is_err());
    }

    #[test]
    fn the_worst_row_counts() {
        let a = [1.0, 0.0, 1.0, 1.0];
        let b = [2.0, 0.0, 1.0, 0.0];
        assert!((worst_cosine(&a, &b, 2) - 0.5f32.sqrt()).abs() < 1e-6);
    }
}

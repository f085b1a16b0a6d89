//! In which precision an encoder multiplies, and how `auto` decides.
//!
//! `auto` tries the precisions that the processor has an instruction for, the fastest first: 8-bit
//! integers, then bf16. It takes the first in which every token state of a few built-in sentences
//! stays as near to f32 as [`parity`] asks, else f32. It does not measure time: the same machine
//! must give the same answers every day.

use std::fmt;
use std::str::FromStr;

use super::cpu::Precision;
use super::cpu::simd::Level;
use super::error::EncoderError;
use super::{Encoder, TextTokenizer};

/// Least cosine between a token's state in f32 and in `precision`.
pub fn parity(precision: Precision) -> f32 {
    match precision {
        Precision::F32 => 1.0 - 1e-6,
        Precision::Bf16 => 0.999,
        Precision::Int8 => 0.99,
    }
}

/// The precisions that `level` multiplies faster than f32, the fastest first.
pub fn faster(level: Level) -> Vec<Precision> {
    let mut found = Vec::new();
    if level.multiplies_bytes() {
        found.push(Precision::Int8);
    }
    if level.multiplies_bf16() {
        found.push(Precision::Bf16);
    }
    found
}

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
    /// Products of 16-bit brain floats, added up in f32; everything else in f32.
    Bf16,
    /// Products of 8-bit integers, those of attention as in bf16 where the processor multiplies
    /// it; everything else in f32.
    Int8,
}

impl DtypeChoice {
    /// The precision that is named, `None` for `auto`.
    pub fn precision(self) -> Option<Precision> {
        match self {
            Self::Auto => None,
            Self::F32 => Some(Precision::F32),
            Self::Bf16 => Some(Precision::Bf16),
            Self::Int8 => Some(Precision::Int8),
        }
    }
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
        f.write_str(self.precision().map_or("auto", Precision::name))
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

    /// What was asked for by name, and whether `level` has an instruction for it.
    pub fn asked(precision: Precision, level: Level) -> Self {
        let reason = if precision == Precision::F32 || faster(level).contains(&precision) {
            "asked for".to_owned()
        } else {
            let (name, kernels) = (precision.name(), level.name());
            format!(
                "asked for; the {kernels} kernels have no instruction for products of {name}, so \
                 that it saves memory but hardly time"
            )
        };
        Self { precision, reason }
    }
}

/// The calibration text in f32, which other precisions are held against.
pub struct Calibration {
    sequences: Vec<Vec<u32>>,
    expected: Vec<f32>,
    hidden: usize,
}

impl Calibration {
    /// Reads the text with `exact`, an encoder in f32.
    ///
    /// # Errors
    /// When the text cannot be read by the tokenizer or the encoder.
    pub fn new(tokenizer: &TextTokenizer, exact: &dyn Encoder) -> Result<Self, EncoderError> {
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
        let mut calibration = Self {
            sequences,
            expected: Vec::new(),
            hidden: exact.info().hidden,
        };
        calibration.expected = calibration.states(exact)?;
        Ok(calibration)
    }

    /// The smallest cosine of a token state of `other`, the same encoder in another precision.
    ///
    /// # Errors
    /// When the encoder cannot read the text.
    pub fn worst_cosine(&self, other: &dyn Encoder) -> Result<f32, EncoderError> {
        let found = self.states(other)?;
        Ok(worst_cosine(&self.expected, &found, self.hidden))
    }

    fn states(&self, encoder: &dyn Encoder) -> Result<Vec<f32>, EncoderError> {
        let ids: Vec<&[u32]> = self.sequences.iter().map(Vec::as_slice).collect();
        Ok(encoder.encode(&ids)?.states.flatten_all()?.to_vec1()?)
    }
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
    use super::{Dtype, DtypeChoice, Level, Precision, faster, parity, worst_cosine};

    #[test]
    fn names_go_there_and_back() {
        for name in ["auto", "f32", "bf16", "int8"] {
            let choice: DtypeChoice = name.parse().expect(name);
            assert_eq!(choice.to_string(), name);
        }
        assert!("int4".parse::<DtypeChoice>().is_err());
    }

    #[test]
    fn the_fastest_precision_comes_first_and_the_others_say_so() {
        for level in Level::available() {
            let faster = faster(level);
            assert_eq!(faster.contains(&Precision::Int8), level.multiplies_bytes());
            assert_eq!(faster.contains(&Precision::Bf16), level.multiplies_bf16());
            assert!(faster.is_sorted_by_key(|precision| parity(*precision)));
            for precision in [Precision::Bf16, Precision::Int8] {
                let dtype = Dtype::asked(precision, level);
                assert_eq!(dtype.precision, precision);
                let slow = dtype.reason.contains("no instruction");
                assert_eq!(slow, !faster.contains(&precision), "{dtype:?}");
            }
        }
    }

    #[test]
    fn the_worst_row_counts() {
        let a = [1.0, 0.0, 1.0, 1.0];
        let b = [2.0, 0.0, 1.0, 0.0];
        assert!((worst_cosine(&a, &b, 2) - 0.5f32.sqrt()).abs() < 1e-6);
    }
}

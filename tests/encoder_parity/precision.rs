//! The encoder in 8-bit integers, and how a precision is chosen.

use candle_core::Device;
use stance::encoder::cpu::Precision;
use stance::encoder::cpu::simd::Level;
use stance::encoder::dtype::{DtypeChoice, PARITY};
use stance::error::ErrorCode;

use crate::{MODELS, compare, encode, load, references};

/// The models of the BERT family, which have kernels; the others run in f32 alone.
const WITH_KERNELS: [&str; 3] = ["bert", "xlm-roberta", "distilbert"];

#[test]
fn integers_stay_near_transformers_and_are_not_f32() {
    for model in WITH_KERNELS {
        let (encoder, dtype) = load(model).encoder_as(DtypeChoice::Int8).expect(model);
        assert_eq!(dtype.precision, Precision::Int8);
        let mut worst = 1.0_f64;
        let mut error = 0.0_f32;
        for reference in references(model) {
            let found = encode(encoder.as_ref(), &[&reference.ids]);
            let agreement = compare(&found[0], &reference.states);
            worst = worst.min(agreement.cosine);
            error = error.max(agreement.relative_error);
        }
        println!("{model}: int8 cosine {worst}, relative error {error}");
        assert!(worst >= f64::from(PARITY), "{model}: {worst}");
        assert!(error > 1e-4, "{model} did not run in integers: {error}");
    }
}

#[test]
fn auto_takes_integers_where_the_processor_and_the_model_allow_it() {
    for model in MODELS {
        let parts = load(model);
        let (_, dtype) = parts.encoder_as(DtypeChoice::Auto).expect(model);
        println!("{model}: {dtype:?}");
        let kernels = WITH_KERNELS.contains(&model);
        if !kernels {
            let error = parts.encoder_as(DtypeChoice::Int8).err().expect("refused");
            assert_eq!(error.code(), "dtype_unavailable");
        }
        if kernels && Level::best().multiplies_bytes() {
            assert!(dtype.reason.contains("cosine"), "{dtype:?}");
        } else {
            assert_eq!(dtype.precision, Precision::F32);
        }
        let (_, dtype) = parts.encoder_as(DtypeChoice::F32).expect(model);
        assert_eq!(dtype.precision, Precision::F32);
        let error = parts.encoder_as(DtypeChoice::Bf16).err().expect("refused");
        assert_eq!(error.code(), "dtype_unavailable");
        assert!(parts.weights.device().same_device(&Device::Cpu));
    }
}

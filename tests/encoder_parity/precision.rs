//! The encoder in bf16 and in 8-bit integers, and how a precision is chosen.

use candle_core::Device;
use stance::encoder::cpu::Precision;
use stance::encoder::cpu::simd::Level;
use stance::encoder::dtype::{DtypeChoice, faster, parity};
use stance::error::ErrorCode;

use crate::{MODELS, compare, encode, load, references};

/// The models of the BERT family, which have kernels; the others run in f32 alone.
const WITH_KERNELS: [&str; 3] = ["bert", "xlm-roberta", "distilbert"];

#[test]
fn fewer_bits_stay_near_transformers_and_are_not_f32() {
    for model in WITH_KERNELS {
        for choice in [DtypeChoice::Bf16, DtypeChoice::Int8] {
            let (encoder, dtype) = load(model).encoder_as(choice).expect(model);
            assert_eq!(Some(dtype.precision), choice.precision());
            let mut worst = 1.0_f64;
            let mut error = 0.0_f32;
            for reference in references(model) {
                let found = encode(encoder.as_ref(), &[&reference.ids]);
                let agreement = compare(&found[0], &reference.states);
                worst = worst.min(agreement.cosine);
                error = error.max(agreement.relative_error);
            }
            println!("{model}: {choice} cosine {worst}, relative error {error}");
            let asked = f64::from(parity(dtype.precision));
            assert!(worst >= asked, "{model}: {choice} {worst}");
            assert!(error > 1e-4, "{model} did not run in {choice}: {error}");
        }
    }
}

#[test]
fn auto_takes_fewer_bits_where_the_processor_and_the_model_allow_it() {
    for model in MODELS {
        let parts = load(model);
        let (_, dtype) = parts.encoder_as(DtypeChoice::Auto).expect(model);
        println!("{model}: {dtype:?}");
        let kernels = WITH_KERNELS.contains(&model);
        if !kernels {
            for choice in [DtypeChoice::Bf16, DtypeChoice::Int8] {
                let error = parts.encoder_as(choice).err().expect("refused");
                assert_eq!(error.code(), "dtype_unavailable");
            }
        }
        let faster = faster(Level::best());
        if kernels && !faster.is_empty() {
            let tried = dtype.reason.matches("has cosine").count();
            let place = faster.iter().position(|p| *p == dtype.precision);
            assert_eq!(
                tried,
                place.map_or(faster.len(), |place| place + 1),
                "{dtype:?}"
            );
        } else {
            assert_eq!(dtype.precision, Precision::F32);
        }
        let (_, again) = parts.encoder_as(DtypeChoice::Auto).expect(model);
        assert_eq!(dtype, again);
        let (_, dtype) = parts.encoder_as(DtypeChoice::F32).expect(model);
        assert_eq!(dtype.precision, Precision::F32);
        assert!(parts.weights.device().same_device(&Device::Cpu));
    }
}

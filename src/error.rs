//! Stable, machine-readable error codes.
//!
//! Every boundary of the crate has its own `thiserror` enum ([`crate::text::TextError`],
//! [`crate::actors::ActorError`], [`crate::encoder::EncoderError`], [`crate::model::ModelError`],
//! [`crate::predict::PredictError`], …). What they share is this trait: a code that a
//! program can match on and that never changes once released, next to a message for people.

/// An error with a stable machine-readable code, such as `empty_text`.
pub trait ErrorCode: std::error::Error {
    /// The code: lower-case ASCII words joined by underscores, never renamed once released.
    fn code(&self) -> &'static str;
}

/// Whether a text that serde refused is JSON, only not the JSON that was expected.
pub(crate) fn is_well_formed(error: &serde_json::Error, text: &str) -> bool {
    // An array with too many items is reported as if the syntax were wrong.
    error.is_data() || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

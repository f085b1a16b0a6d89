//! Spans of mentions of any bytes.

#![no_main]

#[path = "../checks.rs"]
#[allow(dead_code)] // each target makes one of the checks
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::matcher(bytes));

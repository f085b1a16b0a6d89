//! `stance-eval`: how good a stance model is.

fn main() {}

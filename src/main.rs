//! stance
fn main() {}

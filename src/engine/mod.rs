//! Queue and batching between many callers and one encoder.

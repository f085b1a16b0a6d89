//! Token ids in, token states out.

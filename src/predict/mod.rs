//! One document in, one prediction out.

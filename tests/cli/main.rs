//! The program, as a person or a script runs it.

mod actors;
mod classify;
mod ends;
mod serve;
mod support;

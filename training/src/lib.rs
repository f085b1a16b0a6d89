//! Trains the models that stance serves: one stage per module, each reading files and
//! writing files, so that every step can be repeated and looked at.
//!
//! `prepare` cleans labelled data; `trim` makes the multilingual base smaller; `tokenizer` learns a
//! vocabulary of its own for an English base; `align` gives the new
//! vocabulary its first embeddings and writes the parallel text as token ids; `pretrain`,
//! `finetune`, `calibrate` and `export` make the model; `project`, `passages`, `teach` and
//! `templates` make further rows.

pub mod align;
pub mod annotations;
pub mod cli;
pub mod data;
mod mentions;
pub mod pairs;
pub mod passages;
pub mod prepare;
pub mod project;
pub mod templates;
pub mod tokenizer;
pub mod train;
pub mod trim;

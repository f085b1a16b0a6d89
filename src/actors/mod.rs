//! The registry of actors and the matcher that finds them in a text.
//!
//! [`Registry`] holds the actors of `models/actors/` and of the user's files; [`Matcher`] finds
//! their names in a text, or the names that a request brings. One automaton (Aho-Corasick) runs
//! over the text in comparable form ([`crate::text::fold`]); what stands around each hit
//! decides whether it is a word, the longest of overlapping names wins, and names that also
//! mean something else count only where the rest of the text supports the actor.

mod actor;
mod boundary;
mod canon;
mod check;
mod data;
mod error;
mod index;
mod inflect;
mod language;
mod matched;
mod matcher;
mod registry;
mod resolve;
mod source;

pub use actor::{Actor, ActorKind, Alias, UNKNOWN_LANGUAGE};
pub use check::{CheckReport, Problem, check};
pub use error::ActorError;
pub use matched::{CUSTOM_KIND, MatchedActor};
pub use matcher::{MAX_ID_BYTES, MAX_NAME_BYTES, MAX_NAMES, Matcher, Mention};
pub use registry::Registry;

#[cfg(test)]
mod tests;

//! The registry of actors and the matcher that finds them in a text.

//! From raw text to clean text, language, sentences and windows.

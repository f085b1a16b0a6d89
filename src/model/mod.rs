//! The folder that holds a model: manifest, hashes, configuration.

//! Which files of a repository an encoder and an embedding model need.

use std::path::PathBuf;

use super::super::embed::{EmbeddingConfig, MODULES_FILE, PROMPTS_FILE, Step};
use super::super::error::EncoderError;
use super::super::files::{Folder, ModelFiles};
use super::super::load::{CONFIG_FILE, TOKENIZER_FILE};
use super::super::weights::{
    PICKLE_FILE, PICKLE_INDEX_FILE, WEIGHTS_FILE, WEIGHTS_INDEX_FILE, shard_names,
};
use super::{Hub, HubId};

impl Hub {
    /// Fetches what an encoder needs: `config.json`, `tokenizer.json` and the weights. Returns the
    /// folder of the cache that holds them.
    ///
    /// # Errors
    /// As [`Hub::fetch`]; [`EncoderError::PickleRefused`] when the weights are there as pickles
    /// only, and the options do not allow those.
    pub fn fetch_encoder(&self, id: &HubId) -> Result<PathBuf, EncoderError> {
        let folder = self.fetch(id, &[CONFIG_FILE, TOKENIZER_FILE], &[])?;
        let id = id.pinned(&folder);
        self.fetch_weights(&id, &Folder::new(&folder), "")?;
        Ok(folder)
    }

    /// The same with the files that say how an embedding model makes vectors, where there are any.
    ///
    /// # Errors
    /// As [`Hub::fetch_encoder`], and [`EncoderError::InvalidEmbedding`].
    pub fn fetch_embedder(&self, id: &HubId) -> Result<PathBuf, EncoderError> {
        let folder = self.fetch_encoder(id)?;
        let (id, files) = (id.pinned(&folder), Folder::new(&folder));
        let pooling = "1_Pooling/config.json";
        self.fetch(&id, &[CONFIG_FILE], &[MODULES_FILE, PROMPTS_FILE, pooling])?;
        let Some(modules) = files.read(MODULES_FILE)? else {
            return Ok(folder);
        };
        let configs: Vec<String> = EmbeddingConfig::folders(&modules)?
            .into_iter()
            .map(|folder| format!("{folder}/{CONFIG_FILE}"))
            .collect();
        let configs: Vec<&str> = configs.iter().map(String::as_str).collect();
        self.fetch(&id, &[CONFIG_FILE], &configs)?;
        for step in EmbeddingConfig::read(&files)?.steps {
            if let Step::Dense(dense) = step {
                self.fetch_weights(&id, &files, &format!("{}/", dense.folder))?;
            }
        }
        Ok(folder)
    }

    /// Fetches weights into the folder of the cache: of the model itself, or of the folder
    /// `inside` it.
    fn fetch_weights(&self, id: &HubId, files: &Folder, inside: &str) -> Result<(), EncoderError> {
        let has = |name: &str| files.path().join(name).exists();
        let place = |name: &str| format!("{inside}{name}");
        let (one, index) = (place(WEIGHTS_FILE), place(WEIGHTS_INDEX_FILE));
        let (pickle, pickle_index) = (place(PICKLE_FILE), place(PICKLE_INDEX_FILE));
        if !has(&one) && !has(&index) {
            self.fetch(id, &[CONFIG_FILE], &[&one, &index])?;
        }
        if !has(&one) && !has(&index) && self.allow_pickle && !has(&pickle) {
            self.fetch(id, &[CONFIG_FILE], &[&pickle, &pickle_index])?;
        }
        if has(&one) || (!has(&index) && has(&pickle)) {
            return Ok(());
        }
        let list = match files.read(&index)? {
            Some(list) => Some(list),
            None => files.read(&pickle_index)?,
        };
        let Some(list) = list else {
            return Err(self.no_weights(id, &one, [&pickle, &pickle_index]));
        };
        let shards: Vec<String> = shard_names(&list)?.iter().map(|name| place(name)).collect();
        let wanted: Vec<&str> = std::iter::once(CONFIG_FILE)
            .chain(shards.iter().map(String::as_str))
            .collect();
        self.fetch(id, &wanted, &[])?;
        Ok(())
    }

    /// Why there are no weights.
    fn no_weights(&self, id: &HubId, name: &str, pickles: [&str; 2]) -> EncoderError {
        if self.offline {
            return self.offline(id, name);
        }
        match self.list(&self.repository(id), id, &pickles) {
            Ok(entries) if !entries.is_empty() => EncoderError::PickleRefused {
                file: entries[0].name.clone(),
                location: format!("{}/{id}", self.endpoint),
            },
            _ => self.missing(id, name),
        }
    }
}

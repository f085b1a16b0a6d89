//! How the hub is reached.

use std::fmt;
use std::path::PathBuf;

/// How to reach the hub. What is `None` follows the rules of Hugging Face's tools.
#[derive(Clone, Default)]
pub struct HubOptions {
    /// The hub's address; else `HF_ENDPOINT`, else `https://huggingface.co`.
    pub endpoint: Option<String>,
    /// Access token; else `HF_TOKEN`, else the token file that `hf auth login` writes.
    pub token: Option<String>,
    /// Cache folder; else `HF_HUB_CACHE`, else `$HF_HOME/hub`, else `~/.cache/huggingface/hub`.
    pub cache_dir: Option<PathBuf>,
    /// Use the cache only and never the network.
    pub offline: bool,
    /// Fetch `pytorch_model.bin` where a model has no safetensors.
    pub allow_pickle: bool,
    /// Bytes of a large file asked for at a time, 16 MiB when `None`. What has arrived stays when
    /// the download breaks off, and the next attempt goes on from there.
    pub chunk_bytes: Option<u64>,
}

impl HubOptions {
    /// The options that the environment sets: `HF_HUB_OFFLINE=1` (or `true`, `yes`, `on`) turns
    /// the network off; the rest is read when it is needed.
    pub fn from_env() -> Self {
        let offline = std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| {
            ["1", "true", "yes", "on"].contains(&value.trim().to_ascii_lowercase().as_str())
        });
        Self {
            offline,
            ..Self::default()
        }
    }
}

impl fmt::Debug for HubOptions {
    /// Without the token, which has no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "set"))
            .field("cache_dir", &self.cache_dir)
            .field("offline", &self.offline)
            .field("allow_pickle", &self.allow_pickle)
            .field("chunk_bytes", &self.chunk_bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_printed() {
        let options = HubOptions {
            token: Some("hf_secret".to_owned()),
            ..HubOptions::default()
        };
        assert!(!format!("{options:?}").contains("secret"));
    }
}

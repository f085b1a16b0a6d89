//! How an embedding model makes one vector of token states.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::error::EncoderError;
use super::super::files::{ModelFiles, is_plain_name};

/// The list of steps that sentence-transformers writes.
pub const MODULES_FILE: &str = "modules.json";
/// Where sentence-transformers keeps prefixes.
pub const PROMPTS_FILE: &str = "config_sentence_transformers.json";

/// How the states of a sequence become one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean, special tokens included.
    #[default]
    Mean,
    /// The state of the first token.
    Cls,
}

/// A step after pooling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A dense layer.
    Dense(DenseConfig),
    /// The vector is scaled to length 1.
    Normalize,
}

/// A dense layer after pooling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DenseConfig {
    /// The folder of its files inside the model.
    pub folder: String,
    /// Width of the vectors that come in.
    pub inputs: usize,
    /// Width of those that come out.
    pub outputs: usize,
    /// Whether it has a bias.
    pub bias: bool,
    /// Whether the hyperbolic tangent follows; else nothing does.
    pub tanh: bool,
}

impl DenseConfig {
    pub(super) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}

/// How an embedding model makes one vector of token states.
///
/// The default is that of sentence-transformers for an encoder without further files: the mean,
/// of whatever length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmbeddingConfig {
    /// From states to one vector.
    pub pooling: Pooling,
    /// What follows, in order.
    pub steps: Vec<Step>,
    /// Prefixes by the name of what a text is, such as `query: ` for `query`.
    pub prompts: BTreeMap<String, String>,
    /// The prefix of a text of which nothing is said, by its name in `prompts`.
    pub default_prompt: Option<String>,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[allow(clippy::struct_excessive_bools)] // the file's own form
struct PoolingFile {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
    #[serde(default)]
    pooling_mode_weightedmean_tokens: bool,
    #[serde(default)]
    pooling_mode_lasttoken: bool,
    include_prompt: Option<bool>,
}

#[derive(Deserialize)]
struct DenseFile {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    activation_function: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Default, Deserialize)]
struct PromptsFile {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

impl EmbeddingConfig {
    /// Reads `modules.json`, the files of the steps that it lists, and the prefixes of
    /// `config_sentence_transformers.json`. Without `modules.json` a `1_Pooling/config.json` counts.
    ///
    /// # Errors
    /// [`EncoderError::InvalidEmbedding`] for a file that cannot be understood or a step that is
    /// not computed here, [`EncoderError::MissingFile`], [`EncoderError::Io`].
    pub fn read(files: &dyn ModelFiles) -> Result<Self, EncoderError> {
        let mut config = Self::default();
        let prompts: PromptsFile = parsed(files, PROMPTS_FILE)?.unwrap_or_default();
        if let Some(name) = &prompts.default_prompt_name
            && !prompts.prompts.contains_key(name)
        {
            let message = format!("default_prompt_name `{name}` is not among the prompts");
            return Err(invalid(PROMPTS_FILE, message));
        }
        config.prompts = prompts.prompts;
        config.default_prompt = prompts.default_prompt_name;
        let Some(modules) = parsed::<Vec<Module>>(files, MODULES_FILE)? else {
            if let Some(pooling) = parsed(files, "1_Pooling/config.json")? {
                config.pooling = pooling_of("1_Pooling/config.json", &pooling)?;
            }
            return Ok(config);
        };
        for (number, module) in modules.iter().enumerate() {
            config.add(files, number, module)?;
        }
        Ok(config)
    }

    /// The folders that the bytes of a `modules.json` name.
    ///
    /// # Errors
    /// [`EncoderError::InvalidEmbedding`] when it cannot be understood or names a folder outside
    /// the model.
    pub fn folders(modules: &[u8]) -> Result<Vec<String>, EncoderError> {
        let modules: Vec<Module> = serde_json::from_slice(modules)
            .map_err(|error| invalid(MODULES_FILE, error.to_string()))?;
        let mut folders: Vec<String> = modules.into_iter().map(|module| module.path).collect();
        folders.retain(|folder| !folder.is_empty());
        match folders.iter().find(|folder| !is_plain_name(folder)) {
            Some(folder) => Err(outside(folder)),
            None => Ok(folders),
        }
    }

    /// The prefix of that name.
    pub fn prompt(&self, name: &str) -> Option<&str> {
        self.prompts.get(name).map(String::as_str)
    }

    /// Whether vectors have length 1.
    pub fn normalizes(&self) -> bool {
        self.steps.last() == Some(&Step::Normalize)
    }

    fn add(
        &mut self,
        files: &dyn ModelFiles,
        number: usize,
        module: &Module,
    ) -> Result<(), EncoderError> {
        let folder = &module.path;
        let file = format!("{folder}/config.json");
        if !folder.is_empty() && !is_plain_name(folder) {
            return Err(outside(folder));
        }
        // `sentence_transformers.models.Pooling` and, since version 5.3, longer paths.
        match (number, module.kind.rsplit('.').next().unwrap_or_default()) {
            (0, "Transformer") if folder.is_empty() => {}
            (1, "Pooling") => {
                let pooling = parsed(files, &file)?.ok_or_else(|| files.missing(&file))?;
                self.pooling = pooling_of(&file, &pooling)?;
            }
            (2.., "Dense") => {
                let dense: DenseFile = parsed(files, &file)?.ok_or_else(|| files.missing(&file))?;
                let function = dense.activation_function.as_deref().unwrap_or("Identity");
                let tanh = match function.rsplit('.').next().unwrap_or_default() {
                    "Tanh" => true,
                    "Identity" => false,
                    other => {
                        let message = format!("activation_function `{other}` is not supported");
                        return Err(invalid(&file, message));
                    }
                };
                self.steps.push(Step::Dense(DenseConfig {
                    folder: folder.clone(),
                    inputs: dense.in_features,
                    outputs: dense.out_features,
                    bias: dense.bias,
                    tanh,
                }));
            }
            (2.., "Normalize") => self.steps.push(Step::Normalize),
            _ => {
                let message = format!("step {number}, {}, is not supported there", module.kind);
                return Err(invalid(MODULES_FILE, message));
            }
        }
        Ok(())
    }
}

fn outside(folder: &str) -> EncoderError {
    invalid(
        MODULES_FILE,
        format!("`{folder}` is no folder of the model"),
    )
}

fn pooling_of(file: &str, pooling: &PoolingFile) -> Result<Pooling, EncoderError> {
    if pooling.include_prompt == Some(false) {
        let message = "pooling without the prefix (include_prompt) is not supported".to_owned();
        return Err(invalid(file, message));
    }
    let modes = [
        ("cls_token", pooling.pooling_mode_cls_token),
        ("mean_tokens", pooling.pooling_mode_mean_tokens),
        ("max_tokens", pooling.pooling_mode_max_tokens),
        (
            "mean_sqrt_len_tokens",
            pooling.pooling_mode_mean_sqrt_len_tokens,
        ),
        (
            "weightedmean_tokens",
            pooling.pooling_mode_weightedmean_tokens,
        ),
        ("lasttoken", pooling.pooling_mode_lasttoken),
    ];
    let chosen: Vec<&str> = modes
        .iter()
        .filter_map(|(mode, on)| on.then_some(*mode))
        .collect();
    match chosen.as_slice() {
        ["cls_token"] => Ok(Pooling::Cls),
        ["mean_tokens"] => Ok(Pooling::Mean),
        other => Err(invalid(
            file,
            format!("pooling by {other:?} is not supported, only cls_token or mean_tokens"),
        )),
    }
}

fn parsed<T: DeserializeOwned>(
    files: &dyn ModelFiles,
    name: &str,
) -> Result<Option<T>, EncoderError> {
    files
        .read(name)?
        .map(|bytes| serde_json::from_slice(&bytes).map_err(|e| invalid(name, e.to_string())))
        .transpose()
}

pub(super) fn invalid(file: &str, message: String) -> EncoderError {
    EncoderError::InvalidEmbedding {
        file: file.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::files::MemoryFiles;
    use crate::error::ErrorCode;

    fn modules(steps: &[(&str, &str)]) -> String {
        let steps: Vec<serde_json::Value> = steps
            .iter()
            .map(|(path, kind)| {
                serde_json::json!({
                    "path": path, "type": format!("sentence_transformers.models.{kind}"),
                })
            })
            .collect();
        serde_json::json!(steps).to_string()
    }

    fn read(files: &[(&str, &str)]) -> Result<EmbeddingConfig, EncoderError> {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(n, t)| (*n, t.as_bytes())).collect();
        EmbeddingConfig::read(&MemoryFiles::new(&files))
    }

    #[test]
    fn an_encoder_alone_is_pooled_by_its_mean() {
        let config = read(&[]).expect("default");
        assert_eq!(config, EmbeddingConfig::default());
        assert!(!config.normalizes());
        let pooling = r#"{"pooling_mode_cls_token": true}"#;
        let config = read(&[("1_Pooling/config.json", pooling)]).expect("valid");
        assert_eq!(config.pooling, Pooling::Cls);
    }

    #[test]
    fn what_is_not_computed_is_refused_by_file() {
        let steps = modules(&[("", "Transformer"), ("1_Pooling", "Pooling")]);
        let base = (MODULES_FILE, steps.as_str());
        for pooling in [
            r#"{"pooling_mode_max_tokens": true}"#,
            r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}"#,
            r#"{"pooling_mode_mean_tokens": true, "include_prompt": false}"#,
            "{}",
            "[",
        ] {
            let error = read(&[base, ("1_Pooling/config.json", pooling)]).expect_err(pooling);
            assert_eq!(error.code(), "invalid_config");
            assert!(
                error.to_string().contains("1_Pooling/config.json"),
                "{error}"
            );
        }
        let error = read(&[base]).expect_err("no pooling");
        assert_eq!(error.code(), "missing_file");
        for steps in [
            vec![("", "Transformer"), ("", "WordWeights")],
            vec![("../x", "Transformer")],
            vec![("0_Transformer", "Transformer")],
        ] {
            let error = read(&[(MODULES_FILE, modules(&steps).as_str())]).expect_err("steps");
            assert!(error.to_string().contains(MODULES_FILE), "{error}");
        }
        let prompts = r#"{"prompts": {"query": "q: "}, "default_prompt_name": "other"}"#;
        let error = read(&[(PROMPTS_FILE, prompts)]).expect_err("no such prompt");
        assert!(error.to_string().contains("other"), "{error}");
    }
}

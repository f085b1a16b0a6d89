//! What may be asked of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{LimitArgs, LogArgs, ModelArgs, ServeArgs};
use crate::document::{OffsetUnit, Options};
use crate::env;

pub use super::archive_args::{AggregateArgs, ScoreArgs};

/// Topics, actors, and the author's stance toward each, in any language
#[derive(Debug, Parser)]
#[command(
    name = "stance",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub command: Command,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge documents: topics, actors, and the author's stance toward each
    Classify(Box<ClassifyArgs>),
    /// Score an archive: files of documents in, files of answers out
    Score(Box<ScoreArgs>),
    /// Sum a scored archive up: the stance toward each actor over time and by source
    Aggregate(AggregateArgs),
    /// Serve the REST API until SIGTERM or ctrl-c
    Serve(Box<ServeArgs>),
    /// Look into the registry of actors
    Actors(ActorsArgs),
    /// Bring a model of the hub into the cache, checked by its hashes
    Fetch(FetchArgs),
    /// Say whether this machine runs the model as it was made
    Doctor(Box<DoctorArgs>),
    /// Write or check the generated documentation
    #[command(hide = true)]
    Docs(DocsArgs),
}

/// Flags of `stance classify`.
#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// `.txt` files (one document each, its id is the path), `.jsonl` files (a document per
    /// line), or `-` for standard input, which is read when nothing is named
    #[arg(value_name = "FILES", conflicts_with = "text")]
    pub files: Vec<PathBuf>,
    /// A text to judge instead of files
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// How standard input and files are read; `auto` goes by the name, `.jsonl` or not
    #[arg(long, env = env::INPUT_FORMAT, value_name = "FORMAT", default_value = "auto")]
    pub input_format: InputFormat,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub model: ModelArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: LimitArgs,
}

/// What is asked for, and how it is printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// `table` for people; `json` as the service answers; `jsonl`, a prediction per line
    #[arg(long, env = env::FORMAT, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub options: OptionArgs,
}

/// What is asked of each document.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OptionArgs {
    /// Judge only these actors of the registry, separated by commas; documents that bring
    /// their own actors are not affected
    #[arg(long, env = env::ONLY, value_name = "ID", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Unit of every span
    #[arg(long, env = env::OFFSET_UNIT, value_name = "UNIT", default_value = "char")]
    pub offset_unit: UnitArg,
    /// Evidence sentences per actor at the most (0 to 50)
    #[arg(long, env = env::MAX_EVIDENCE, value_name = "COUNT", default_value_t = 3)]
    pub max_evidence: usize,
    /// Actors of a document's own list that its text never mentions are judged when there are at
    /// most so many (0 to 64); each costs a pass over the text
    #[arg(long, env = env::MAX_UNMENTIONED, value_name = "COUNT", default_value_t = 8)]
    pub max_unmentioned: usize,
    /// ISO 639-1 code of the language of topic labels and actor names; the document's own
    /// language when absent
    #[arg(long, env = env::LABEL_LANGUAGE, value_name = "LANGUAGE")]
    pub label_language: Option<String>,
    /// Report topics of at least this probability; the model's own threshold when absent
    #[arg(long, env = env::TOPIC_THRESHOLD, value_name = "PROBABILITY")]
    pub topic_threshold: Option<f32>,
    /// Be "not sure" below this probability of the best stance; the model's own threshold when
    /// absent
    #[arg(long, env = env::STANCE_THRESHOLD, value_name = "PROBABILITY")]
    pub stance_threshold: Option<f32>,
    /// Read menus, comment forms and repeated headings of pasted web pages too
    #[arg(long, env = env::NO_CLEAN)]
    pub no_clean: bool,
}

impl OptionArgs {
    /// The same as the options of a request.
    pub fn options(&self) -> Options {
        Options {
            offset_unit: self.offset_unit.into(),
            max_evidence: self.max_evidence,
            max_unmentioned: self.max_unmentioned,
            restrict_to: (!self.only.is_empty()).then(|| self.only.clone()),
            label_language: self.label_language.clone(),
            topic_threshold: self.topic_threshold,
            stance_threshold: self.stance_threshold,
            clean: !self.no_clean,
            ..Options::default()
        }
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object, the same as the service's answer.
    Json,
    /// A JSON object per line.
    Jsonl,
}

/// How input is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// Files by their name, standard input as a text.
    Auto,
    /// Every input is one document.
    Text,
    /// Every input has a document per line, as JSON.
    Jsonl,
}

/// Unit of spans, as a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnitArg {
    /// Unicode scalar values, as Python counts.
    Char,
    /// Bytes of the UTF-8 text.
    Byte,
    /// UTF-16 code units, as JavaScript counts.
    Utf16,
}

impl From<UnitArg> for OffsetUnit {
    fn from(unit: UnitArg) -> Self {
        match unit {
            UnitArg::Char => Self::Char,
            UnitArg::Byte => Self::Byte,
            UnitArg::Utf16 => Self::Utf16,
        }
    }
}

/// Flags of `stance actors`.
#[derive(Debug, Args)]
pub struct ActorsArgs {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub command: ActorsCommand,
}

/// What to look up.
#[derive(Debug, Subcommand)]
pub enum ActorsCommand {
    /// List all actors
    List(ListArgs),
    /// Find actors by a name, an alias or an id
    Find {
        /// What to look for, in any language
        text: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        list: ListArgs,
    },
    /// Check a file of actors
    Check {
        /// The file
        file: PathBuf,
        /// How the result is printed
        #[arg(long, env = env::FORMAT, value_name = "FORMAT", default_value = "table")]
        format: Format,
    },
}

/// How actors are listed.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only actors of this kind: state, person, party, `armed_group`, organisation, bloc
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// How they are printed
    #[arg(long, env = env::FORMAT, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// File of further actors, added to the built-in registry; may be repeated
    #[arg(long, env = env::ACTORS, value_name = "FILE", value_delimiter = ',')]
    pub actors: Vec<PathBuf>,
}

/// Flags of `stance fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Repository of the hub, `owner/name` or `owner/name@revision`
    #[arg(value_name = "ID")]
    pub id: String,
    /// Branch, tag or commit; `main` when absent
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    /// Never ask the network: say what the cache has
    #[arg(long, env = env::OFFLINE)]
    pub offline: bool,
    /// Fetch `pytorch_model.bin` of a model that has no safetensors; it is a Python pickle, which
    /// can run a stranger's program where Python opens it
    #[arg(long)]
    pub allow_pickle: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `stance doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print one JSON object, see docs/doctor.md
    #[arg(long)]
    pub json: bool,
    /// Store what the model in the folder `--model` answers here in f32, and how far off it is in fewer
    /// bits, as `selftest.json` beside it
    #[arg(long, conflicts_with = "json")]
    pub write_self_test: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub model: ModelArgs,
}

/// Flags of `stance docs`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("mode").required(true)))]
pub struct DocsArgs {
    /// Write `cli.md`, `config.md` and `openapi.json`
    #[arg(long, group = "mode")]
    pub write: bool,
    /// Fail when a file is not what `--write` would write
    #[arg(long, group = "mode")]
    pub check: bool,
    /// Folder of the documentation
    #[arg(long, value_name = "FOLDER", default_value = "docs")]
    pub folder: PathBuf,
}

//! Flags of the commands for archives.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::archive;
use crate::archive::aggregate::Period;
use crate::archive::progress::ProgressKind;
use crate::archive::source;
use crate::config::{LimitArgs, ModelArgs};
use crate::env;

use super::args::OptionArgs;

/// Flags of `stance score`.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// Files, folders, globs, addresses (`s3://`, `gs://`, `az://`, `https://`), or `-` for
    /// standard input, which is read when nothing is named
    #[arg(value_name = "INPUTS")]
    pub inputs: Vec<String>,
    /// How inputs are read; `auto` goes by the name, with or without `.gz` or `.zst`, and takes
    /// standard input for `jsonl`
    #[arg(long, env = env::ARCHIVE_FORMAT, value_name = "FORMAT", default_value = "auto")]
    pub input_format: ArchiveFormat,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub columns: ColumnArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub destination: DestinationArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub options: OptionArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub model: ModelArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: LimitArgs,
}

/// Which columns, or fields of a line, are the document.
#[derive(Debug, Args)]
#[command(next_help_heading = "Columns")]
pub struct ColumnArgs {
    /// Column of the text
    #[arg(long, env = env::TEXT_COLUMN, value_name = "COLUMN", default_value = "text")]
    pub text_column: String,
    /// Column of the id; `id`, where it is there, when absent
    #[arg(long, env = env::ID_COLUMN, value_name = "COLUMN")]
    pub id_column: Option<String>,
    /// Column of the document's own actors: a JSON list as in a document, or ids and names
    /// separated by `;`. `actors`, where it is there, when absent
    #[arg(long, env = env::ACTORS_COLUMN, value_name = "COLUMN")]
    pub actors_column: Option<String>,
    /// Column of the language, ISO 639-1; `language`, where it is there, when absent
    #[arg(long, env = env::LANGUAGE_COLUMN, value_name = "COLUMN")]
    pub language_column: Option<String>,
    /// Repeat only these columns under `input`, separated by commas; all that are not named above
    /// when absent
    #[arg(long, env = env::KEEP, value_name = "COLUMN", value_delimiter = ',')]
    pub keep: Option<Vec<String>>,
    /// JSON file with a list of actors, as in a document, that are judged in every document that
    /// brings none
    #[arg(long, env = env::JUDGE, value_name = "FILE")]
    pub judge: Option<PathBuf>,
}

/// Where results go, and what a run does on the way.
#[derive(Debug, Args)]
#[command(next_help_heading = "Destination")]
pub struct DestinationArgs {
    /// File, folder (a name that ends with `/` or has no ending), address, or `-` for standard
    /// output
    #[arg(long, short, env = env::OUTPUT, value_name = "OUTPUT", default_value = "-")]
    pub output: String,
    /// How results are written; `auto` goes by the name, and is `parquet` for folders and `jsonl`
    /// for standard output
    #[arg(long, env = env::OUTPUT_FORMAT, value_name = "FORMAT", default_value = "auto")]
    pub output_format: ResultFormat,
    /// Where rows that could not be scored go; OUTPUT`.errors.jsonl` when absent, and standard
    /// error when results go to standard output
    #[arg(long, env = env::ERRORS, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// Folder on this machine in which an output with an address is made
    #[arg(long, env = env::WORK, value_name = "FOLDER")]
    pub work: Option<PathBuf>,
    /// Rows that are committed together at the most
    #[arg(long, env = env::PART_ROWS, value_name = "COUNT", default_value_t = 4096)]
    pub part_rows: usize,
    /// Stop when more rows than this could not be scored; never when absent
    #[arg(long, env = env::MAX_ERRORS, value_name = "COUNT")]
    pub max_errors: Option<u64>,
    /// Replace an output that is there
    #[arg(long, env = env::OVERWRITE, conflicts_with = "resume")]
    pub overwrite: bool,
    /// Go on where the same command was interrupted; this is what happens anyway
    #[arg(long, env = env::RESUME)]
    pub resume: bool,
    /// How progress is shown on standard error; `auto` is a bar at a terminal and lines otherwise
    #[arg(long, env = env::PROGRESS, value_name = "KIND", default_value = "auto")]
    pub progress: ProgressKind,
}

/// Flags of `stance aggregate`.
#[derive(Debug, Args)]
pub struct AggregateArgs {
    /// Parquet or JSONL that `stance score` wrote: files, folders, globs, addresses
    #[arg(value_name = "INPUTS", required = true)]
    pub inputs: Vec<String>,
    /// How inputs are read; `auto` goes by the name
    #[arg(long, env = env::ARCHIVE_FORMAT, value_name = "FORMAT", default_value = "auto")]
    pub input_format: ArchiveFormat,
    /// Column under `input` that says when a document was written
    #[arg(long, env = env::TIME_COLUMN, value_name = "COLUMN")]
    pub time_column: Option<String>,
    /// Length of a period
    #[arg(long, env = env::BY, value_name = "PERIOD", default_value = "month")]
    pub by: Period,
    /// Column under `input` that says where a document is from
    #[arg(long, env = env::SOURCE_COLUMN, value_name = "COLUMN")]
    pub source_column: Option<String>,
    /// Only these actors, by id, separated by commas
    #[arg(long, env = env::ONLY, value_name = "ID", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave out actors that fewer documents name
    #[arg(long, env = env::MIN_DOCUMENTS, value_name = "COUNT", default_value_t = 1)]
    pub min_documents: u64,
    /// How the sums are written
    #[arg(long, env = env::AGGREGATE_FORMAT, value_name = "FORMAT", default_value = "table")]
    pub format: ReportFormat,
    /// File, or `-` for standard output
    #[arg(long, short, env = env::OUTPUT, value_name = "FILE", default_value = "-")]
    pub output: String,
}

/// How files of an archive are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArchiveFormat {
    /// By the name.
    Auto,
    /// A JSON object per line.
    Jsonl,
    /// Comma separated, with a header.
    Csv,
    /// Tab separated, with a header.
    Tsv,
    /// Parquet.
    Parquet,
    /// Arrow IPC, as a file or a stream.
    Arrow,
    /// A text per file.
    Text,
    /// A page per file.
    Html,
}

impl ArchiveFormat {
    /// The same for the archive; `None` when it goes by the name.
    pub const fn format(self) -> Option<source::InputFormat> {
        Some(match self {
            Self::Auto => return None,
            Self::Jsonl => source::InputFormat::Jsonl,
            Self::Csv => source::InputFormat::Csv,
            Self::Tsv => source::InputFormat::Tsv,
            Self::Parquet => source::InputFormat::Parquet,
            Self::Arrow => source::InputFormat::Arrow,
            Self::Text => source::InputFormat::Text,
            Self::Html => source::InputFormat::Html,
        })
    }
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResultFormat {
    /// By the name.
    Auto,
    /// A prediction per line.
    Jsonl,
    /// A row per document and actor.
    Csv,
    /// A row per document, nested.
    Parquet,
}

impl ResultFormat {
    /// The same for the archive; `None` when it goes by the name.
    pub const fn format(self) -> Option<archive::OutputFormat> {
        Some(match self {
            Self::Auto => return None,
            Self::Jsonl => archive::OutputFormat::Jsonl,
            Self::Csv => archive::OutputFormat::Csv,
            Self::Parquet => archive::OutputFormat::Parquet,
        })
    }
}

/// How sums are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Table,
    /// A line per sum.
    Csv,
    /// A page with charts.
    Html,
}

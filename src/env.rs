//! Names of all environment variables that stance reads itself. Each stands for a flag; the
//! flag wins.

/// `--model`.
pub const MODEL: &str = "STANCE_MODEL";
/// `--device`.
pub const DEVICE: &str = "STANCE_DEVICE";
/// `--dtype`.
pub const DTYPE: &str = "STANCE_DTYPE";
/// `--offline`.
pub const OFFLINE: &str = "STANCE_OFFLINE";
/// `--actors`, several files separated by commas.
pub const ACTORS: &str = "STANCE_ACTORS";

/// `--bind`.
pub const BIND: &str = "STANCE_BIND";
/// `--port`.
pub const PORT: &str = "STANCE_PORT";
/// `--shutdown-grace`.
pub const SHUTDOWN_GRACE: &str = "STANCE_SHUTDOWN_GRACE";

/// `--max-text-bytes`.
pub const MAX_TEXT_BYTES: &str = "STANCE_MAX_TEXT_BYTES";
/// `--max-actors`.
pub const MAX_ACTORS: &str = "STANCE_MAX_ACTORS";
/// `--max-body-bytes`.
pub const MAX_BODY_BYTES: &str = "STANCE_MAX_BODY_BYTES";
/// `--max-documents`.
pub const MAX_DOCUMENTS: &str = "STANCE_MAX_DOCUMENTS";
/// `--queue-documents`.
pub const QUEUE_DOCUMENTS: &str = "STANCE_QUEUE_DOCUMENTS";
/// `--queue-bytes`.
pub const QUEUE_BYTES: &str = "STANCE_QUEUE_BYTES";
/// `--queue-tokens`.
pub const QUEUE_TOKENS: &str = "STANCE_QUEUE_TOKENS";
/// `--batch-tokens`.
pub const BATCH_TOKENS: &str = "STANCE_BATCH_TOKENS";
/// `--slice-tokens`.
pub const SLICE_TOKENS: &str = "STANCE_SLICE_TOKENS";
/// `--readers`.
pub const READERS: &str = "STANCE_READERS";
/// `--request-timeout`.
pub const REQUEST_TIMEOUT: &str = "STANCE_REQUEST_TIMEOUT";
/// `--client-timeout`.
pub const CLIENT_TIMEOUT: &str = "STANCE_CLIENT_TIMEOUT";
/// `--max-connections`.
pub const MAX_CONNECTIONS: &str = "STANCE_MAX_CONNECTIONS";

/// `--api-keys`.
pub const API_KEYS: &str = "STANCE_API_KEYS";
/// `--tls-cert`.
pub const TLS_CERT: &str = "STANCE_TLS_CERT";
/// `--tls-key`.
pub const TLS_KEY: &str = "STANCE_TLS_KEY";
/// `--admin-port`.
pub const ADMIN_PORT: &str = "STANCE_ADMIN_PORT";
/// `--admin-bind`.
pub const ADMIN_BIND: &str = "STANCE_ADMIN_BIND";
/// `--cors-origin`, several origins separated by commas.
pub const CORS_ORIGINS: &str = "STANCE_CORS_ORIGINS";

/// `--format`.
pub const FORMAT: &str = "STANCE_FORMAT";
/// `--input-format`.
pub const INPUT_FORMAT: &str = "STANCE_INPUT_FORMAT";
/// `--only`, several ids separated by commas.
pub const ONLY: &str = "STANCE_ONLY";
/// `--offset-unit`.
pub const OFFSET_UNIT: &str = "STANCE_OFFSET_UNIT";
/// `--max-evidence`.
pub const MAX_EVIDENCE: &str = "STANCE_MAX_EVIDENCE";
/// `--max-unmentioned`.
pub const MAX_UNMENTIONED: &str = "STANCE_MAX_UNMENTIONED";
/// `--label-language`.
pub const LABEL_LANGUAGE: &str = "STANCE_LABEL_LANGUAGE";
/// `--topic-threshold`.
pub const TOPIC_THRESHOLD: &str = "STANCE_TOPIC_THRESHOLD";
/// `--stance-threshold`.
pub const STANCE_THRESHOLD: &str = "STANCE_STANCE_THRESHOLD";
/// `--no-clean`.
pub const NO_CLEAN: &str = "STANCE_NO_CLEAN";

/// `--output` of `score` and `aggregate`.
pub const OUTPUT: &str = "STANCE_OUTPUT";
/// `--output-format` of `score`.
pub const OUTPUT_FORMAT: &str = "STANCE_OUTPUT_FORMAT";
/// `--input-format` of `score` and `aggregate`.
pub const ARCHIVE_FORMAT: &str = "STANCE_ARCHIVE_FORMAT";
/// `--text-column`.
pub const TEXT_COLUMN: &str = "STANCE_TEXT_COLUMN";
/// `--id-column`.
pub const ID_COLUMN: &str = "STANCE_ID_COLUMN";
/// `--actors-column`.
pub const ACTORS_COLUMN: &str = "STANCE_ACTORS_COLUMN";
/// `--language-column`.
pub const LANGUAGE_COLUMN: &str = "STANCE_LANGUAGE_COLUMN";
/// `--keep`, several columns separated by commas.
pub const KEEP: &str = "STANCE_KEEP";
/// `--judge`.
pub const JUDGE: &str = "STANCE_JUDGE";
/// `--work`.
pub const WORK: &str = "STANCE_WORK";
/// `--errors`.
pub const ERRORS: &str = "STANCE_ERRORS";
/// `--part-rows`.
pub const PART_ROWS: &str = "STANCE_PART_ROWS";
/// `--max-errors`.
pub const MAX_ERRORS: &str = "STANCE_MAX_ERRORS";
/// `--overwrite`.
pub const OVERWRITE: &str = "STANCE_OVERWRITE";
/// `--resume`.
pub const RESUME: &str = "STANCE_RESUME";
/// `--progress`.
pub const PROGRESS: &str = "STANCE_PROGRESS";
/// `--time-column`.
pub const TIME_COLUMN: &str = "STANCE_TIME_COLUMN";
/// `--by`.
pub const BY: &str = "STANCE_BY";
/// `--source-column`.
pub const SOURCE_COLUMN: &str = "STANCE_SOURCE_COLUMN";
/// `--min-documents`.
pub const MIN_DOCUMENTS: &str = "STANCE_MIN_DOCUMENTS";
/// `--format` of `aggregate`.
pub const AGGREGATE_FORMAT: &str = "STANCE_AGGREGATE_FORMAT";

/// `--log-level`.
pub const LOG_LEVEL: &str = "STANCE_LOG_LEVEL";
/// `--log-format`.
pub const LOG_FORMAT: &str = "STANCE_LOG_FORMAT";
/// `--otlp-endpoint`.
pub const OTLP_ENDPOINT: &str = "STANCE_OTLP_ENDPOINT";

/// Variables of the hub's own tools, which stance follows when it fetches a model, and what each
/// means.
pub const HUB: [(&str, &str); 5] = [
    (
        "HF_ENDPOINT",
        "address of the hub; `https://huggingface.co` when absent",
    ),
    (
        "HF_TOKEN",
        "access token; the file that `hf auth login` writes when absent",
    ),
    (
        "HF_HUB_CACHE",
        "folder of downloaded models; `$HF_HOME/hub` when absent",
    ),
    (
        "HF_HOME",
        "folder of the hub's tools; `~/.cache/huggingface` when absent",
    ),
    ("HF_HUB_OFFLINE", "`1` means the same as `--offline`"),
];

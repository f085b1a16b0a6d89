//! `stance fetch`: a model of the hub, brought into the cache.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::encoder::hub::{HubId, HubOptions};
use crate::model::{self, FetchedKind};

use super::args::FetchArgs;
use super::exit::{Exit, Failure};

/// Runs the command.
pub(super) fn run(args: &FetchArgs) -> Result<Exit, Failure> {
    let mut id: HubId = args
        .id
        .parse()
        .map_err(|error| Failure::from_error(&error))?;
    if let Some(revision) = &args.revision {
        if args.id.contains('@') {
            let message = format!(
                "--revision {revision}: {} names a revision already",
                args.id
            );
            return Err(Failure::usage(message));
        }
        // Checked as part of an id.
        id = format!("{}@{revision}", args.id)
            .parse()
            .map_err(|error| Failure::from_error(&error))?;
    }
    let mut options = HubOptions::from_env();
    options.offline |= args.offline;
    options.allow_pickle = args.allow_pickle;
    if args.allow_pickle {
        eprintln!(
            "stance: warning: pickles are allowed; Python runs what a pickle says, so open these \
             files with nothing that you would not run a stranger's program with"
        );
    }
    let fetched = model::fetch(&id, &options).map_err(|error| Failure::from_error(&error))?;
    let kind = match fetched.kind {
        FetchedKind::Model => "model",
        FetchedKind::Encoder => "encoder",
    };
    let mut out = io::stdout().lock();
    if args.json {
        let files: Vec<Value> = fetched
            .files
            .iter()
            .map(|file| json!({"name": file.name, "bytes": file.bytes, "sha256": file.sha256}))
            .collect();
        let report = json!({
            "kind": kind,
            "repository": fetched.id.repository(),
            "commit": fetched.id.revision(),
            "folder": fetched.folder,
            "files": files,
        });
        writeln!(out, "{report}")?;
    } else {
        for file in &fetched.files {
            let hash = file.sha256.as_deref().unwrap_or("-");
            writeln!(out, "{:>12}  {hash:<64}  {}", file.bytes, file.name)?;
        }
        writeln!(out, "{kind} {}", fetched.id)?;
        writeln!(out, "{}", fetched.folder.display())?;
    }
    Ok(Exit::Success)
}

//! `stance actors`: what the registry knows.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::actors::{self, Actor, ActorKind, Registry};
use crate::error::ErrorCode;
use crate::prediction::DocumentError;
use crate::server::{ActorEntry, ActorList};

use super::args::{ActorsArgs, ActorsCommand, Format, ListArgs};
use super::exit::{Exit, Failure};
use super::table::{Align, Table, one_line};

/// Columns that a cell of names may take.
const NAMES_WIDTH: usize = 60;

/// Runs the command.
pub(super) fn run(args: ActorsArgs) -> Result<Exit, Failure> {
    match args.command {
        ActorsCommand::List(list) => {
            let registry = registry(&list)?;
            let kind = kind(&list)?;
            let all = registry
                .iter()
                .filter(|actor| kind.is_none_or(|kind| actor.kind == kind));
            print(&all.collect::<Vec<_>>(), list.format)
        }
        ActorsCommand::Find { text, list } => {
            let registry = registry(&list)?;
            let kind = kind(&list)?;
            let mut found = registry.find(&text);
            found.retain(|actor| kind.is_none_or(|kind| actor.kind == kind));
            print(&found, list.format)
        }
        ActorsCommand::Check { file, format } => check(&file, format),
    }
}

/// Everything that is wrong with a file, on its own and beside the built-in actors.
fn check(file: &Path, format: Format) -> Result<Exit, Failure> {
    let report = actors::check(file).map_err(|error| Failure::from_error(&error))?;
    let mut out = io::stdout().lock();
    if format == Format::Table {
        for problem in &report.problems {
            let line = problem
                .line
                .map(|line| format!("line {line}: "))
                .unwrap_or_default();
            writeln!(out, "{line}{} [{}]", problem.error, problem.error.code())?;
        }
        if report.is_ok() {
            let (actors, names) = (report.actors, report.names);
            writeln!(
                out,
                "{}: all well, actors: {actors}, names: {names}",
                file.display()
            )?;
        }
    } else {
        let problem = |problem: &actors::Problem| {
            let error = DocumentError::from(&problem.error);
            json!({"line": problem.line, "code": error.code, "message": error.message})
        };
        let problems: Vec<Value> = report.problems.iter().map(problem).collect();
        let report = json!({"file": file, "actors": report.actors, "names": report.names,
                            "problems": problems});
        writeln!(out, "{report}")?;
    }
    match report.problems.len() {
        0 => Ok(Exit::Success),
        count => Err(Failure::failed(
            "invalid_registry_file",
            format!("{}: problems found: {count}", file.display()),
        )),
    }
}

fn registry(list: &ListArgs) -> Result<Registry, Failure> {
    Registry::load(&list.actors).map_err(|error| Failure::from_error(&error))
}

fn kind(list: &ListArgs) -> Result<Option<ActorKind>, Failure> {
    let Some(name) = &list.kind else {
        return Ok(None);
    };
    ActorKind::parse(name).map(Some).ok_or_else(|| {
        let kinds = ActorKind::ALL.map(ActorKind::as_str).join(", ");
        Failure::usage(format!("--kind {name:?}: there are only {kinds}"))
    })
}

fn print(actors: &[&Actor], format: Format) -> Result<Exit, Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match format {
        Format::Table => {
            let mut table = Table::new([
                ("id", Align::Left),
                ("kind", Align::Left),
                ("name", Align::Left),
                ("also", Align::Left),
            ]);
            for actor in actors {
                let name = actor.name("en");
                let mut others: Vec<&str> = Vec::new();
                for (_, alias) in actor.aliases() {
                    if alias.text != name && !others.contains(&alias.text.as_str()) {
                        others.push(&alias.text);
                    }
                }
                table.row([
                    actor.id.clone(),
                    actor.kind.as_str().to_owned(),
                    one_line(name, NAMES_WIDTH),
                    one_line(&others.join(", "), NAMES_WIDTH),
                ]);
            }
            out.write_all(table.render().as_bytes())?;
            let noun = if actors.len() == 1 { "actor" } else { "actors" };
            writeln!(out, "{} {noun}", actors.len())?;
        }
        Format::Json => {
            let list = ActorList {
                actors: actors.iter().copied().map(ActorEntry::from).collect(),
                total: actors.len(),
                offset: 0,
            };
            serde_json::to_writer_pretty(&mut out, &list).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for actor in actors.iter().copied() {
                serde_json::to_writer(&mut out, &ActorEntry::from(actor))
                    .map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
    }
    out.flush()?;
    Ok(Exit::Success)
}

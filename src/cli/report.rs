//! A result for people.

use std::fmt::Write as _;
use std::io::IsTerminal;

use crate::prediction::{ActorStance, DocumentResult, Prediction};

use super::table::{Align, Table, display_width, isolated, one_line};

/// Columns when the output is no terminal.
const DEFAULT_WIDTH: usize = 140;
/// The narrowest evidence that is still worth reading.
const MIN_EVIDENCE: usize = 24;
/// The widest actor's name.
const MAX_NAME: usize = 30;
/// What the other columns, their margins and borders take.
const OTHER_COLUMNS: usize = 64;

/// Renders results for a width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    width: usize,
}

impl Report {
    /// For the terminal at standard output, or a usual width when there is none.
    pub(super) fn for_terminal() -> Self {
        let terminal = std::io::stdout()
            .is_terminal()
            .then(terminal_size::terminal_size)
            .flatten();
        let width = terminal.map_or(DEFAULT_WIDTH, |(columns, _)| usize::from(columns.0));
        Self { width }
    }

    /// A block of lines for one result; `number` names a document without an id, from 1.
    pub(super) fn render(self, result: &DocumentResult, number: usize) -> String {
        let id = match result {
            DocumentResult::Prediction(prediction) => &prediction.id,
            DocumentResult::Failure(failure) => &failure.id,
        };
        let title = id.as_ref().map_or_else(
            || format!("document {number}"),
            |id| isolated(&one_line(id, self.width)),
        );
        let rest = match result {
            DocumentResult::Prediction(prediction) => self.prediction(prediction),
            DocumentResult::Failure(failure) => {
                let message = one_line(&failure.error.message, usize::MAX);
                format!(
                    "  error     {} [{}]\n",
                    isolated(&message),
                    failure.error.code
                )
            }
        };
        format!("{title}\n{rest}")
    }

    fn prediction(self, prediction: &Prediction) -> String {
        let topics: Vec<String> = prediction
            .topics
            .iter()
            .map(|topic| format!("{} {:.2}", isolated(&topic.label), topic.probability))
            .collect();
        let topics = if topics.is_empty() {
            "none".to_owned()
        } else {
            topics.join(" · ")
        };
        let language = &prediction.language;
        let mut lines = format!(
            "  language  {} {:.2}\n  topics    {topics}\n",
            language.code, language.confidence
        );
        if prediction.stances.is_empty() {
            lines += "  actors    none\n";
        } else {
            lines += &self.stances(&prediction.stances);
        }
        let unit = if prediction.windows == 1 {
            "window"
        } else {
            "windows"
        };
        let _ = writeln!(
            lines,
            "  read      {} {unit}, model {} {}",
            prediction.windows, prediction.model.name, prediction.model.version
        );
        for warning in &prediction.warnings {
            let message = isolated(&one_line(&warning.message, usize::MAX));
            let _ = writeln!(lines, "  warning   {message} [{}]", warning.code);
        }
        lines
    }

    fn stances(self, stances: &[ActorStance]) -> String {
        let names: Vec<String> = stances
            .iter()
            .map(|stance| one_line(&stance.actor.name, MAX_NAME))
            .collect();
        let widest = names
            .iter()
            .map(|name| display_width(name))
            .max()
            .unwrap_or(0)
            .max(5);
        let evidence_width = self
            .width
            .saturating_sub(OTHER_COLUMNS + widest)
            .max(MIN_EVIDENCE);
        let mut table = Table::new([
            ("actor", Align::Left),
            ("stance", Align::Left),
            ("favor", Align::Right),
            ("against", Align::Right),
            ("neutral", Align::Right),
            ("mentions", Align::Right),
            ("strongest evidence", Align::Left),
        ]);
        for (stance, name) in stances.iter().zip(names) {
            let verdict = if stance.abstained {
                "not sure"
            } else {
                stance.stance.as_str()
            };
            let evidence = stance
                .evidence
                .first()
                .map_or("", |evidence| evidence.text.as_str());
            table.row([
                name,
                verdict.to_owned(),
                format!("{:.2}", stance.probabilities.favor),
                format!("{:.2}", stance.probabilities.against),
                format!("{:.2}", stance.probabilities.neutral),
                stance.mentions.len().to_string(),
                one_line(evidence, evidence_width),
            ]);
        }
        let indented: Vec<String> = table
            .render()
            .lines()
            .map(|line| format!("  {line}\n"))
            .collect();
        indented.concat()
    }
}

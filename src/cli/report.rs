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
const OTHER_COLUMNS: usize = 59;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::OffsetUnit;
    use crate::prediction::{
        AbstainReason, ActorRef, DocumentError, Evidence, LanguageGuess, ModelInfo, Stance,
        StanceProbabilities, TopicScore, Warning,
    };

    fn stance(name: &str, abstained: bool, evidence: &str) -> ActorStance {
        ActorStance {
            actor: ActorRef {
                id: "x".into(),
                name: name.into(),
                kind: "state".into(),
            },
            stance: Stance::Against,
            probabilities: StanceProbabilities::from_array([0.125, 0.625, 0.25]),
            abstained,
            reason: abstained.then_some(AbstainReason::LowConfidence),
            mentions: Vec::new(),
            evidence: vec![Evidence {
                start: 0,
                end: evidence.len(),
                text: evidence.into(),
                stance: Stance::Against,
                probability: 0.5,
            }],
            sentences: None,
        }
    }

    fn prediction() -> Prediction {
        let topic = |label: &str, probability| TopicScore {
            id: "medtop:11000000".into(),
            label: label.into(),
            probability,
        };
        Prediction {
            schema_version: "1".into(),
            id: None,
            text: None,
            language: LanguageGuess {
                code: "ar".into(),
                confidence: 0.875,
            },
            topics: vec![topic("politics", 0.75), topic("سياسة", 0.5)],
            stances: vec![
                stance("Russia", false, "A short\nsentence."),
                stance("سوريا", true, &"word ".repeat(50)),
            ],
            offset_unit: OffsetUnit::Char,
            windows: 2,
            model: ModelInfo {
                name: "m".into(),
                version: "0.1".into(),
                sha256: "00".into(),
            },
            warnings: vec![Warning {
                code: "text_set_aside".into(),
                message: "Menus.".into(),
            }],
        }
    }

    #[test]
    fn a_prediction_is_drawn_within_the_width() {
        let result = DocumentResult::Prediction(Box::new(prediction()));
        let drawn = Report { width: 100 }.render(&result, 3);
        let widest = drawn.lines().map(display_width).max().unwrap();
        assert!(widest <= 100, "{widest}: {drawn}");
        insta::assert_snapshot!(drawn.replace(['\u{2068}', '\u{2069}'], "|"), @r#"
        document 3
          language  ar 0.88
          topics    politics 0.75 · |سياسة| 0.50
          ┌────────┬──────────┬───────┬─────────┬─────────┬──────────┬─────────────────────────────────────┐
          │ actor  │ stance   │ favor │ against │ neutral │ mentions │ strongest evidence                  │
          ├────────┼──────────┼───────┼─────────┼─────────┼──────────┼─────────────────────────────────────┤
          │ Russia │ against  │  0.12 │    0.62 │    0.25 │        0 │ A short sentence.                   │
          │ |سوريا|  │ not sure │  0.12 │    0.62 │    0.25 │        0 │ word word word word word word word… │
          └────────┴──────────┴───────┴─────────┴─────────┴──────────┴─────────────────────────────────────┘
          read      2 windows, model m 0.1
          warning   Menus. [text_set_aside]
        "#);
    }

    #[test]
    fn a_failure_names_its_code() {
        let error = DocumentError::new("empty_text", "field `text` is empty");
        let result = DocumentResult::failure(Some("a.txt".into()), error);
        let drawn = Report { width: 80 }.render(&result, 1);
        assert_eq!(
            drawn,
            "a.txt\n  error     field `text` is empty [empty_text]\n"
        );
    }
}

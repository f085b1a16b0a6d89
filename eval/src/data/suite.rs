//! Suites: which tasks are measured, how, and against what, as readable TOML.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::STANCE_CLASSES;
use crate::error::EvalError;
use crate::metrics::{Metric, Resampling};

/// A list of tasks with what they share.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Name of the suite, repeated in results.
    pub name: String,
    /// Slices with fewer rows than this are not shown.
    pub min_cell: usize,
    /// How intervals are computed.
    pub bootstrap: Resampling,
    /// The tasks, in the order of the tables.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskSpec>,
}

/// What a task asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The author's stance toward a target.
    Stance,
    /// The topic of a text, by the model's own topics that the labels map to.
    Topic,
    /// The topic of a text, by logistic regression on the model's text vectors.
    TopicProbe,
    /// Finding translations by the model's text vectors.
    Retrieval,
}

/// How long the texts are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A sentence or a post.
    #[default]
    Sentence,
    /// A whole article.
    Document,
}

/// Which rows of the files are measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// All rows of `files`; baselines train on all rows of `train`.
    #[default]
    Files,
    /// The rows of `files` whose text is held out of training (see [`super::splits`]);
    /// baselines train on the others of `train`. Stance tasks only.
    HeldOut,
}

/// What happens with rows whose stance is that of a party in the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderRule {
    /// They are left out and counted.
    #[default]
    Exclude,
    /// They are measured, and the task says so.
    Keep,
}

/// A task of a suite. Paths are relative to the data folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Name, unique in the suite.
    pub name: String,
    /// What is asked.
    pub kind: Kind,
    /// Heading under which the task stands.
    pub group: String,
    /// How long the texts are.
    #[serde(default)]
    pub level: Level,
    /// Measured files.
    pub files: Vec<String>,
    /// Files that baselines and probes train on; also what counts as a seen target.
    #[serde(default)]
    pub train: Vec<String>,
    /// Which rows are measured.
    #[serde(default)]
    pub split: Split,
    /// Rows about a party's stance.
    #[serde(default)]
    pub holder: HolderRule,
    /// Stance tasks: other names of a stance label (`exclude` drops its rows). Topic tasks:
    /// not used, see `label_map`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Stance tasks: the classes that the set has; probabilities of the others are set aside
    /// and the rest scaled to 1. All three when empty.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Stance tasks: further names of a target, as a user would list them.
    #[serde(default)]
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Stance tasks: put the post that is answered before the text.
    #[serde(default)]
    pub context: bool,
    /// Topic tasks: JSON file of `{set: {label: topic or null}}`; null rows are left out.
    #[serde(default)]
    pub label_map: Option<String>,
    /// At most so many rows, by whole texts in the order of their hash: a fixed sample.
    #[serde(default)]
    pub max_rows: Option<usize>,
    /// Metric by which the task is ranked; the interval and the slices are of it.
    pub metric: Metric,
    /// What the task must reach.
    #[serde(default, rename = "bar")]
    pub bars: Vec<Bar>,
    /// Published results beside ours.
    #[serde(default)]
    pub published: Vec<Published>,
    /// What a reader of the numbers should know.
    #[serde(default)]
    pub note: Option<String>,
}

/// A value that a metric must reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// The metric.
    pub metric: Metric,
    /// The value to reach, from below or from above as the metric has it.
    pub value: f64,
    /// The value to aim for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aim: Option<f64>,
    /// The language whose rows are meant; all rows when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl Bar {
    /// Whether a value reaches the bar.
    pub fn reached(&self, value: f64) -> bool {
        if self.metric.higher_is_better() {
            value >= self.value
        } else {
            value <= self.value
        }
    }
}

/// A published result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The system.
    pub system: String,
    /// What was measured, in the paper's words where it is none of our metrics.
    pub metric: String,
    /// The value, as a share.
    pub value: f64,
    /// Where it stands, and what makes it not comparable.
    pub source: String,
}

impl Suite {
    /// Reads a suite and checks what the form alone cannot.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let text = std::fs::read_to_string(path).map_err(EvalError::read(path))?;
        Self::parse(&text).map_err(|message| EvalError::Suite {
            path: path.to_owned(),
            message,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let suite: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for (index, task) in suite.tasks.iter().enumerate() {
            let fail = |message: String| Err(format!("task {}: {message}", task.name));
            if suite.tasks[..index]
                .iter()
                .any(|other| other.name == task.name)
            {
                return fail("the name stands twice".to_owned());
            }
            if task.files.is_empty() {
                return fail("no files".to_owned());
            }
            let known = |label: &str| STANCE_CLASSES.contains(&label);
            if let Some(class) = task.classes.iter().find(|class| !known(class)) {
                return fail(format!("'{class}' is no stance"));
            }
            if let Some(label) = task
                .labels
                .values()
                .find(|label| !known(label) && label.as_str() != "exclude")
            {
                return fail(format!("label '{label}' is neither a stance nor 'exclude'"));
            }
            match task.kind {
                Kind::Topic if task.label_map.is_none() => {
                    return fail("a topic task needs a label_map".to_owned());
                }
                Kind::TopicProbe if task.train.is_empty() => {
                    return fail("a probe needs files to train on".to_owned());
                }
                _ => {}
            }
        }
        Ok(suite)
    }

    /// Tasks whose name or group starts with one of `only`; all when it is empty.
    pub fn select(&self, only: &[String]) -> Result<Vec<&TaskSpec>, EvalError> {
        let matches = |task: &TaskSpec, wanted: &str| {
            task.name.starts_with(wanted) || task.group.eq_ignore_ascii_case(wanted)
        };
        for wanted in only {
            if !self.tasks.iter().any(|task| matches(task, wanted)) {
                let known: Vec<&str> = self.tasks.iter().map(|task| task.name.as_str()).collect();
                return Err(EvalError::UnknownTask {
                    name: wanted.clone(),
                    known: known.join(", "),
                });
            }
        }
        Ok(self
            .tasks
            .iter()
            .filter(|task| only.is_empty() || only.iter().any(|wanted| matches(task, wanted)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = \"x\"\nmin_cell = 10\nbootstrap = { samples = 10, seed = 1 }\n";

    fn suite(task: &str) -> Result<Suite, String> {
        Suite::parse(&format!(
            "{HEAD}[[task]]\nname = \"a\"\ngroup = \"g\"\n{task}"
        ))
    }

    #[test]
    fn the_public_suite_is_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/public.toml");
        let suite = Suite::read(&path).unwrap();
        assert!(suite.tasks.len() >= 10);
        assert!(suite.select(&["newsmtsc".to_owned()]).unwrap().len() >= 2);
        assert!(matches!(
            suite.select(&["nothing".to_owned()]),
            Err(EvalError::UnknownTask { .. })
        ));
    }

    #[test]
    fn mistakes_are_named() {
        let stance = "kind = \"stance\"\nmetric = \"macro_f1\"\n";
        assert!(
            suite(&format!("{stance}files = []"))
                .unwrap_err()
                .contains("no files")
        );
        let class = suite(&format!("{stance}files = [\"f\"]\nclasses = [\"pro\"]")).unwrap_err();
        assert!(class.contains("'pro'"), "{class}");
        let topic = "kind = \"topic\"\nmetric = \"accuracy\"\nfiles = [\"f\"]";
        assert!(suite(topic).unwrap_err().contains("label_map"));
        assert!(
            suite(&format!("{stance}files = [\"f\"]\nfile = 1"))
                .unwrap_err()
                .contains("file")
        );
    }

    #[test]
    fn a_bar_is_reached_from_the_right_side() {
        let bar = |metric| Bar {
            metric,
            value: 0.5,
            aim: None,
            language: None,
        };
        assert!(bar(Metric::Accuracy).reached(0.5) && !bar(Metric::Accuracy).reached(0.4));
        assert!(bar(Metric::Ece).reached(0.4) && !bar(Metric::Ece).reached(0.6));
    }
}

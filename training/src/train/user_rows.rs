//! Rows that somebody labelled for a purpose of their own, split for `fit`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use candle_core::{Error, Result};
use stance::encoder::tokenizer::TextTokenizer;
use stance::heads::HeadsConfig;
use stance::predict::TopicNames;

use super::labelled::Labelled;
use crate::data::examples::{StanceExample, TopicExample};
use crate::data::formats::{self, Defaults, Row};
use crate::data::record::{self, StanceRecord, TopicRecord, iso_language};
use crate::data::splits::{self, Split};
use crate::prepare::leaks::Leaks;
use crate::prepare::stance::prepare;
use crate::prepare::{Report, clean};

/// Rows by what they are for.
#[derive(Debug, Default)]
pub struct UserRows {
    stance: [Vec<StanceExample>; 2],
    topic: [Vec<TopicExample>; 2],
    /// What was not used and why.
    dropped: BTreeMap<String, usize>,
}

/// Reads `files`. Files whose names say `dev` or `val` validate, `test` files stay out; when no
/// file validates, a `share` (between 0 and 1) of the texts does, chosen by their hash. Texts
/// that validate are taken out of the training rows.
///
/// # Errors
/// The first row that cannot be used, with its file and number; a topic that the model does not
/// know; nothing to train on.
pub fn read_user_rows(files: &[PathBuf], share: f64) -> Result<UserRows> {
    let mut out = UserRows::default();
    let (mut stances, mut topics) = (Vec::new(), Vec::new());
    for path in files {
        let split = splits::by_file(&record::file_stem(path));
        for row in formats::read(path, &Defaults::default()).map_err(Error::wrap)? {
            match (split, row.map_err(Error::wrap)?) {
                (Split::Test, _) => out.drop("rows of test files", 1),
                (_, Row::Stance(row)) => stances.push((split, row)),
                (_, Row::Topic(row)) => topics.push((split, row)),
            }
        }
    }
    let own = |split: &Split| *split == Split::Validation;
    let stated = stances
        .iter()
        .map(|(s, _)| s)
        .chain(topics.iter().map(|(s, _)| s));
    if !stated.into_iter().any(own) {
        let by_hash = |text: &str| {
            if (splits::bucket(text) as f64) < share * 100.0 {
                Split::Validation
            } else {
                Split::Train
            }
        };
        for (split, row) in &mut stances {
            *split = by_hash(&row.text);
        }
        for (split, row) in &mut topics {
            *split = by_hash(&row.text);
        }
    }
    out.add_stances(stances);
    out.add_topics(topics)?;
    if out.stance[0].is_empty() && out.topic[0].is_empty() {
        candle_core::bail!("there is no row to train on");
    }
    if out.stance[1].is_empty() && out.topic[1].is_empty() {
        candle_core::bail!("there is no row to validate on: give a file named dev…, or more rows");
    }
    Ok(out)
}

impl UserRows {
    fn drop(&mut self, why: &str, count: usize) {
        if count > 0 {
            *self.dropped.entry(why.to_owned()).or_default() += count;
        }
    }

    fn add_stances(&mut self, rows: Vec<(Split, StanceRecord)>) {
        let mut leaks = Leaks::default();
        for (split, row) in &rows {
            leaks.add(*split, &row.text, Some((row.target_kind, &row.target)));
        }
        let mut report = Report::default();
        let prepared = prepare(rows, &leaks, 0.0, &mut report);
        for set in report.stance.values() {
            self.drop("rows without text", set.empty);
            self.drop("training rows whose text also validates", set.leaked);
            self.drop("rows that contradict each other", set.contradictory);
            self.drop("repeated rows", set.repeated);
        }
        self.stance = [
            prepared.of(Split::Train).to_vec(),
            prepared.of(Split::Validation).to_vec(),
        ];
    }

    fn add_topics(&mut self, rows: Vec<(Split, TopicRecord)>) -> Result<()> {
        let names = TopicNames::embedded().map_err(Error::wrap)?;
        for (split, row) in rows {
            let wanted = row.topic.trim();
            let topic = names
                .ids()
                .find(|id| *id == wanted || names.name(id, "en").eq_ignore_ascii_case(wanted));
            let Some(topic) = topic else {
                let known: Vec<&str> = names.ids().map(|id| names.name(id, "en")).collect();
                candle_core::bail!(
                    "row {}: topic `{wanted}` is none of: {}",
                    row.id,
                    known.join("; ")
                )
            };
            self.topic[usize::from(split == Split::Validation)].push(TopicExample {
                topic: topic.to_owned(),
                raw_topic: row.topic.clone(),
                text: clean::clean(&row.text, &[]).text,
                lang: iso_language(&row.lang),
                id: row.id,
                dataset: row.dataset,
            });
        }
        Ok(())
    }

    /// The rows as the model reads them.
    ///
    /// # Errors
    /// What the product would say of a row.
    pub fn labelled(self, heads: &HeadsConfig, tokenizer: &TextTokenizer) -> Result<Labelled> {
        let [stance_train, stance_validation] = self.stance;
        let [topic_train, topic_validation] = self.topic;
        let examples = super::labelled::Examples {
            stance_train,
            stance_validation,
            topic_train,
            topic_validation,
        };
        Labelled::new(examples, heads, tokenizer, usize::MAX, String::new())
    }
}

impl fmt::Display for UserRows {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let targets = |rows: &[StanceExample]| rows.iter().map(|r| r.targets.len()).sum::<usize>();
        write!(
            f,
            "training: {} stances in {} texts, {} topics; validation: {} stances, {} topics",
            targets(&self.stance[0]),
            self.stance[0].len(),
            self.topic[0].len(),
            targets(&self.stance[1]),
            self.topic[1].len()
        )?;
        for (why, count) in &self.dropped {
            write!(f, "\n{count} {why} are left out")?;
        }
        Ok(())
    }
}

/// The beginning of today in UTC, RFC 3339 (civil from days, Hinnant 2013).
pub fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let days = (seconds / 86_400) as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (
        day - (153 * month + 2) / 5 + 1,
        if month < 10 { month + 3 } else { month - 9 },
    );
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T00:00:00Z")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::{read_user_rows, today};

    #[test]
    fn rows_are_split_by_text_and_the_split_is_stated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.csv");
        let mut text = "text,target,stance\n".to_owned();
        for i in 0..200 {
            writeln!(text, "Sentence number {i} praises Arvania,Arvania,favor").unwrap();
        }
        std::fs::write(&path, &text).unwrap();
        let rows = read_user_rows(std::slice::from_ref(&path), 0.2).unwrap();
        let [train, validation] = &rows.stance;
        assert_eq!(train.len() + validation.len(), 200);
        assert!((20..60).contains(&validation.len()), "{}", validation.len());
        for row in validation {
            assert!(train.iter().all(|t| t.text != row.text));
        }
        // A file that says what it is decides instead of the hash.
        let dev = folder.path().join("dev.csv");
        std::fs::write(
            &dev,
            "text,target,stance\nAnother one on Arvania,Arvania,against\n",
        )
        .unwrap();
        let rows = read_user_rows(&[path.clone(), dev], 0.2).unwrap();
        assert_eq!((rows.stance[0].len(), rows.stance[1].len()), (200, 1));
        let error = read_user_rows(&[path], 0.0).unwrap_err().to_string();
        assert!(error.contains("validate"), "{error}");
    }

    #[test]
    fn an_unknown_topic_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.jsonl");
        let row = |topic: &str| {
            format!(
                "{{\"id\":\"1\",\"dataset\":\"d\",\"lang\":\"en\",\"text\":\"t\",\"topic\":\"{topic}\"}}\n"
            )
        };
        std::fs::write(&path, row("sport") + &row("gardening")).unwrap();
        let error = read_user_rows(&[path], 0.5).unwrap_err().to_string();
        assert!(
            error.contains("`gardening`") && error.contains("sport"),
            "{error}"
        );
    }

    #[test]
    fn today_is_a_date() {
        let today = today();
        assert_eq!(today.len(), 20);
        assert!(
            today.as_str() > "2026-01-01" && today.as_str() < "2100-01-01",
            "{today}"
        );
    }
}

//! CSV and TSV with a header line.
//!
//! Columns: `text`; for stances `target` and `stance` (or `label`); for topics `topic`.
//! Optional: `id`, `lang`, `target_alt`, `span_start` and `span_end` (characters),
//! `target_kind`, `context`, `doc`. Other columns are ignored.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Defaults, Draft, Row};
use crate::data::{DataError, lines, record};

/// Reads every row; row numbers count the header as row 1, as a spreadsheet does.
pub fn read(path: &Path, defaults: &Defaults) -> Result<Vec<Result<Row, DataError>>, DataError> {
    let is_tsv = record::has_extension(path, "tsv");
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if is_tsv { b'\t' } else { b',' })
        .from_reader(lines::open(path)?);
    let headers = reader
        .headers()
        .map_err(|error| DataError::file(path, error.to_string()))?;
    let columns: BTreeMap<String, usize> = headers
        .iter()
        .enumerate()
        .map(|(column, name)| {
            (
                name.trim_start_matches('\u{FEFF}').trim().to_lowercase(),
                column,
            )
        })
        .collect();
    if !columns.contains_key("text") {
        let found: Vec<&str> = headers.iter().collect();
        return Err(DataError::file(
            path,
            format!("no column text among {found:?}"),
        ));
    }
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let number = index + 2;
        let row = record
            .map_err(|error| error.to_string())
            .and_then(|record| draft(&record, &columns, defaults)?.finish(path, number, defaults));
        rows.push(row.map_err(|message| DataError::row(path, number, message)));
    }
    Ok(rows)
}

fn draft(
    record: &csv::StringRecord,
    columns: &BTreeMap<String, usize>,
    defaults: &Defaults,
) -> Result<Draft, String> {
    let cell = |name: &str| {
        let value = record.get(*columns.get(name)?)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let number = |name: &str| {
        cell(name)
            .map(|value| {
                value
                    .parse::<usize>()
                    .map_err(|_| format!("{name}: {value:?} is no number"))
            })
            .transpose()
    };
    let spans = match (number("span_start")?, number("span_end")?) {
        (Some(start), Some(end)) => vec![[start, end]],
        (None, None) => Vec::new(),
        _ => return Err("span_start and span_end must both be given".to_owned()),
    };
    let stance = cell("stance").or_else(|| cell("label"));
    Ok(Draft {
        id: cell("id"),
        lang: cell("lang").or_else(|| cell("language")),
        // Not trimmed: spans count its characters.
        text: columns
            .get("text")
            .and_then(|column| record.get(*column))
            .unwrap_or("")
            .to_owned(),
        target: cell("target"),
        target_alt: cell("target_alt"),
        spans,
        stance: stance.map(|label| name_of(label, &defaults.labels)),
        topic: cell("topic"),
        kind: cell("target_kind"),
        context: cell("context"),
        doc: cell("doc"),
        agreement: None,
    })
}

/// The name of a numeric label when names were given.
fn name_of(label: String, names: &[String]) -> String {
    match label.parse::<usize>() {
        Ok(number) if number < names.len() => names[number].clone(),
        _ => label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stance::prediction::Stance;

    fn rows(name: &str, text: &str, defaults: &Defaults) -> Vec<Result<Row, DataError>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path, defaults).unwrap()
    }

    #[test]
    fn quoted_cells_spans_and_a_byte_order_mark() {
        let text = "\u{FEFF}Text,target,stance,span_start,span_end,note\n\
            \"Rome, they say, won.\",Rome,Pro,0,4,x\n\"Two\nlines\",Lines,neutral,,,\n";
        let rows = rows("a.csv", text, &Defaults::default());
        let Ok(Row::Stance(first)) = &rows[0] else {
            panic!("{rows:?}")
        };
        assert_eq!(
            (&*first.text, first.stance),
            ("Rome, they say, won.", Stance::Favor)
        );
        assert_eq!(first.spans, [[0, 4]]);
        assert!(matches!(&rows[1], Ok(Row::Stance(row)) if row.text == "Two\nlines"));
    }

    #[test]
    fn bad_rows_have_spreadsheet_numbers() {
        let text = "text\ttarget\tlabel\nGood day\tDay\t0\nToo\tfew\nx\ty\t9\n\tz\t1\n";
        let labels = ["against", "favor"].map(str::to_owned).to_vec();
        let rows = rows(
            "a.tsv",
            text,
            &Defaults {
                labels,
                ..Defaults::default()
            },
        );
        assert!(matches!(&rows[0], Ok(Row::Stance(row)) if row.stance == Stance::Against));
        for (row, expected) in [
            (1, "row 3: "),
            (2, "row 4: stance \"9\""),
            (3, "row 5: text is empty"),
        ] {
            let message = rows[row].as_ref().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_file_without_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "body,stance\nx,favor\n").unwrap();
        let error = read(&path, &Defaults::default()).unwrap_err().to_string();
        assert!(
            error.contains("no column text among [\"body\", \"stance\"]"),
            "{error}"
        );
    }
}

//! A teacher of ten pieces.

use super::*;
use std::str::FromStr;

/// A teacher of eight pieces, whose row is 1 at the piece's id.
fn teacher() -> (Tokenizer, Embeddings) {
    let json = r###"{"version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": null, "decoder": null, "model": {"type": "WordPiece",
        "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2,
        "[SEP]": 3, "[MASK]": 4, "war": 5, "die": 6, "the": 7, ",": 8, "##s": 9}}}"###;
    let mut values = vec![0.0; 100];
    for id in 0..10 {
        values[id * 11] = 1.0;
    }
    (
        Tokenizer::from_str(json).unwrap(),
        Embeddings { values, hidden: 10 },
    )
}

fn vocabulary() -> Vec<String> {
    let pieces = [
        "▁war",
        "s",
        "▁حرب",
        "▁die",
        "▁wars",
        "▁والحرب",
        "▁ξ",
        "▁,",
        "الحرب",
        "▁و",
    ];
    SPECIAL_TOKENS
        .into_iter()
        .chain(pieces)
        .map(str::to_owned)
        .collect()
}

fn largest(row: &[f32]) -> usize {
    (0..row.len())
        .max_by(|left, right| row[*left].total_cmp(&row[*right]))
        .unwrap()
}

#[test]
fn each_kind_of_piece_starts_where_it_should() {
    let (tokenizer, rows) = teacher();
    let teacher = Teacher::new(&tokenizer, &rows);
    let counts = Counts {
        translated: [
            ((7, 5), 8.0),
            ((7, 8), 3.0),
            ((7, 6), 0.1),
            ((8, 7), 50.0),
            ((13, 5), 9.0),
        ]
        .into_iter()
        .collect(),
        rate: [(7, 0.1), (8, 0.3), (13, 0.1)].into_iter().collect(),
        english: [(5, 10), (8, 1)].into_iter().collect(),
        english_tokens: 1000,
        ..Counts::default()
    };
    let (made, summary) = initialise(&vocabulary(), &teacher, &counts);
    assert_eq!(made.rows(), vocabulary().len());
    assert_eq!(made.row(0), rows.row(0));
    assert_eq!(made.row(5), rows.row(5), "an English word is copied");
    assert_eq!(
        made.row(6),
        rows.row(9),
        "a continuation is copied from its ## twin"
    );
    assert_eq!(largest(made.row(7)), 5, "a translation; its comma is noise");
    assert!(made.row(7)[8].abs() < 1e-6);
    assert!(
        made.row(8)[6] > 0.3 && made.row(8)[7] > 0.3,
        "die is English and German"
    );
    assert!(
        made.row(9)[5] > 0.2 && made.row(9)[9] > 0.2,
        "spelled with war and ##s"
    );
    assert_eq!(largest(made.row(10)), 5, "put together from its known part");
    assert_eq!(made.row(11), teacher.mean);
    assert_eq!(made.row(12), rows.row(8));
    let expected = Summary {
        copied: 8,
        mixed: 1,
        english: 0,
        translated: 2,
        spelled: 1,
        composed: 1,
        unknown: 2,
    };
    assert_eq!(summary, expected);
}

#[test]
fn averages_keep_the_length_of_their_parts() {
    let mean = [0.0, 0.0];
    let made = average(&[(&[1.0, 0.0], 1.0), (&[0.0, 1.0], 1.0)], &mean);
    let length = (made[0] * made[0] + made[1] * made[1]).sqrt();
    assert!((length - 1.0).abs() < 1e-6);
    let opposite = average(&[(&[1.0, 0.0], 1.0), (&[-1.0, 0.0], 1.0)], &mean);
    assert!(opposite.iter().all(|value| value.is_finite()));
}

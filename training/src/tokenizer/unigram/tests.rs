//! Small vocabularies.

use rustc_hash::FxHashSet;

use super::*;

fn counted(words: &[(&str, u32)]) -> (Vec<(String, u32)>, Vec<String>) {
    let letters: FxHashSet<String> = words
        .iter()
        .flat_map(|(word, _)| word.chars())
        .map(String::from)
        .collect();
    let mut letters: Vec<String> = letters.into_iter().collect();
    letters.sort();
    (
        words
            .iter()
            .map(|(word, count)| ((*word).to_owned(), *count))
            .collect(),
        letters,
    )
}

fn settings(pieces: usize) -> Settings {
    Settings {
        pieces,
        candidates: 10_000,
        shrinking: 0.75,
        longest: 16,
    }
}

#[test]
fn frequent_words_become_pieces_even_when_no_other_word_contains_them() {
    let (words, letters) = counted(&[
        ("▁probably", 900),
        ("▁walk", 300),
        ("▁walking", 300),
        ("▁talking", 300),
        ("▁making", 300),
        ("▁hiking", 300),
        ("▁baking", 300),
        ("▁poking", 300),
        ("▁talk", 300),
        ("▁xylophone", 3),
    ]);
    let fitted = fit(&words, &letters, &settings(letters.len() + 7)).unwrap();
    let pieces: Vec<&str> = fitted.iter().map(|(piece, _)| &**piece).collect();
    assert_eq!(fitted.len(), letters.len() + 7);
    for piece in ["▁probably", "▁walk", "▁talk"] {
        assert!(pieces.contains(&piece), "{piece} not in {pieces:?}");
    }
    assert!(
        letters
            .iter()
            .all(|letter| pieces.contains(&letter.as_str()))
    );
}

#[test]
fn probabilities_add_up_to_about_one() {
    let (words, letters) = counted(&[("▁abab", 500), ("▁ab", 400), ("▁ba", 100)]);
    let fitted = fit(&words, &letters, &settings(6)).unwrap();
    let sum: f64 = fitted.iter().map(|(_, score)| score.exp()).sum();
    assert!((sum - 1.0).abs() < 0.02, "{sum} {fitted:?}");
}

#[test]
fn impossible_demands_are_refused() {
    let (words, letters) = counted(&[("▁ab", 2)]);
    assert!(fit(&words, &letters, &settings(2)).is_none());
    assert!(fit(&words, &letters[..1], &settings(9)).is_none());
}

#[test]
fn digamma_of_known_points() {
    assert!((digamma(1.0) + 0.577_215_664_9).abs() < 1e-7);
    assert!((digamma(10.0) - 2.251_752_589_1).abs() < 1e-7);
}

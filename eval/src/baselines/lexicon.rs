//! Counting kind and unkind words around the actor: what a baseline without training knows.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Answer;
use super::blind::mentions;
use super::linear::softmax;
use crate::data::Example;

const FILE: &str = include_str!("lexicon.tsv");
/// Tokens after which a word counts half as much.
const REACH: f64 = 8.0;
/// Tokens before a word in which a negation turns it around.
const NEGATION_REACH: usize = 3;
/// Logit of neutral; one kind word beside the actor outweighs it.
const NEUTRAL: f64 = 0.4;
/// Clitics that Arabic writes before a word.
const ARABIC_CLITICS: [&str; 12] = [
    "وال", "فال", "بال", "كال", "لل", "ال", "و", "ف", "ب", "ل", "ك", "س",
];

#[derive(Default)]
struct Words {
    /// Beginnings of words with +1 or -1.
    polar: Vec<(&'static str, f64)>,
    negations: Vec<&'static str>,
}

static WORDS: LazyLock<HashMap<&str, Words>> = LazyLock::new(|| {
    let mut words: HashMap<&str, Words> = HashMap::new();
    for line in FILE.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        if let (Some(lang), Some(sign), Some(list)) =
            (columns.next(), columns.next(), columns.next())
        {
            let entry = words.entry(lang).or_default();
            let list = list.split(' ');
            match sign {
                "!" => entry.negations.extend(list),
                _ => entry
                    .polar
                    .extend(list.map(|word| (word, if sign == "+" { 1.0 } else { -1.0 }))),
            }
        }
    }
    words
});

/// Answers a stance row by a lexicon: favor, against, neutral. `None` for a language that the
/// lexicon does not have (it has ar, de, en, es, fa, fr, ru, tr).
pub fn lexicon(example: &Example) -> Option<Answer> {
    let words = WORDS.get(example.lang.as_str())?;
    let balance = balance(example, words);
    let mut probabilities = vec![balance, -balance, NEUTRAL];
    softmax(&mut probabilities);
    Some(Answer::new(probabilities))
}

/// The sum of the signs of the words, less the farther from a mention they stand.
fn balance(example: &Example, words: &Words) -> f64 {
    let lower = |c: char| c.is_alphanumeric() || c == '\'' || c == '’';
    let mut tokens: Vec<(usize, String)> = Vec::new();
    let mut start = None;
    for (byte, c) in example
        .text
        .char_indices()
        .chain([(example.text.len(), ' ')])
    {
        match (start, lower(c)) {
            (None, true) => start = Some(byte),
            (Some(from), false) => {
                tokens.push((from, example.text[from..byte].to_lowercase()));
                start = None;
            }
            _ => {}
        }
    }
    let targets: Vec<usize> = mentions(example)
        .iter()
        .map(|mention| tokens.partition_point(|(byte, _)| *byte < mention.start))
        .collect();
    let mut sum = 0.0;
    for (position, (_, token)) in tokens.iter().enumerate() {
        let Some(sign) = sign(token, words, &example.lang) else {
            continue;
        };
        let before = &tokens[position.saturating_sub(NEGATION_REACH)..position];
        let negated = before.iter().any(|(_, token)| {
            words.negations.contains(&token.as_str())
                || token.ends_with("n't")
                || token.ends_with("n’t")
        });
        let distance = targets.iter().map(|target| target.abs_diff(position)).min();
        let weight = distance.map_or(1.0, |distance| REACH / (REACH + distance as f64));
        sum += if negated { -sign } else { sign } * weight;
    }
    sum
}

/// The sign of the longest beginning that the token has.
fn sign(token: &str, words: &Words, lang: &str) -> Option<f64> {
    let longest = |token: &str| {
        words
            .polar
            .iter()
            .filter(|(start, _)| token.starts_with(start))
            .max_by_key(|(start, _)| start.len())
            .map(|&(_, sign)| sign)
    };
    longest(token).or_else(|| {
        (lang == "ar")
            .then(|| {
                ARABIC_CLITICS
                    .iter()
                    .find_map(|clitic| longest(token.strip_prefix(clitic)?))
            })
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stance(lang: &str, text: &str, target: &str) -> usize {
        let example = Example {
            lang: lang.to_owned(),
            text: text.to_owned(),
            names: vec![target.to_owned()],
            ..Example::default()
        };
        let probabilities = lexicon(&example).unwrap().probabilities;
        (0..3)
            .max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]))
            .unwrap()
    }

    #[test]
    fn kind_and_unkind_words_decide() {
        assert_eq!(stance("en", "A brave and honest Arland.", "Arland"), 0);
        assert_eq!(stance("en", "The corrupt Arland lied.", "Arland"), 1);
        assert_eq!(
            stance("en", "Arland signed the papers on Monday.", "Arland"),
            2
        );
        assert_eq!(stance("ar", "ارتكبت أرلاند المجازر", "أرلاند"), 1);
        assert_eq!(
            stance("ru", "Арландия достойно помогла соседям", "Арландия"),
            0
        );
    }

    #[test]
    fn negation_turns_a_word_around() {
        assert_eq!(stance("en", "Arland is not good", "Arland"), 1);
        assert_eq!(stance("en", "Arland isn't corrupt", "Arland"), 0);
    }

    #[test]
    fn near_words_outweigh_far_ones() {
        let far = "Arland is good while far away in the other valley of the long river nobody at all is bad";
        assert_eq!(stance("en", far, "Arland"), 0);
    }

    #[test]
    fn a_language_without_words_has_no_answer() {
        let example = Example {
            lang: "xx".to_owned(),
            ..Example::default()
        };
        assert_eq!(lexicon(&example), None);
    }
}

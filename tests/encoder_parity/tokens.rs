//! Tokens and their places against the Python `tokenizers`.

use std::ops::Range;

use serde::Deserialize;
use stance::error::ErrorCode;

use crate::{BERTS, MODELS, folder, load};

/// A text as the Python `tokenizers` tokenizes it.
#[derive(Deserialize)]
struct Tokenized {
    text: String,
    ids: Vec<u32>,
    spans: Vec<[u32; 2]>,
    wrapped: Vec<u32>,
}

fn tokenized(model: &str, file: &str) -> Vec<Tokenized> {
    let json = std::fs::read(folder(model).join(file)).expect("texts");
    serde_json::from_slice(&json).expect("texts")
}

/// Awkward texts, and a sentence in each of fifteen languages.
fn all_tokenized(model: &str) -> Vec<Tokenized> {
    let mut texts = tokenized(model, "texts.json");
    let languages = tokenized(model, "languages.json");
    assert_eq!(languages.len(), 15);
    texts.extend(languages);
    texts
}

#[test]
fn tokens_and_spans_equal_those_of_hugging_face() {
    for model in MODELS {
        let tokenizer = load(model).tokenizer;
        for expected in all_tokenized(model) {
            let text = &expected.text;
            let tokens = tokenizer
                .encode(text, std::slice::from_ref(&(0..text.len())))
                .expect("ok");
            assert_eq!(tokens.ids, expected.ids, "{model}: {text:?}");
            let spans: Vec<Range<u32>> = expected.spans.iter().map(|[a, b]| *a..*b).collect();
            assert_eq!(tokens.spans, spans, "{model}: {text:?}");
            assert_eq!(
                tokenizer.wrap(&tokens.ids),
                expected.wrapped,
                "{model}: {text:?}"
            );
        }
    }
}

#[test]
fn sentences_keep_their_tokens_apart_and_their_places() {
    let text = "قَالَ الرَّئِيسُ 🎉. Ministers said so.  Die Außenministerin, É!";
    let sentences: Vec<Range<usize>> = [
        "قَالَ الرَّئِيسُ 🎉.",
        "Ministers said so.",
        "Die Außenministerin, É!",
    ]
    .iter()
    .map(|sentence| {
        let start = text.find(sentence).expect("in the text");
        start..start + sentence.len()
    })
    .collect();
    for model in MODELS {
        let tokenizer = load(model).tokenizer;
        let tokens = tokenizer.encode(text, &sentences).expect("tokens");
        assert_eq!(tokens.len(), tokens.spans.len());
        assert_eq!(tokens.len(), tokens.sentence_of.len());
        assert!(tokens.sentence_of.is_sorted());
        for (span, &sentence) in tokens.spans.iter().zip(&tokens.sentence_of) {
            let range = span.start as usize..span.end as usize;
            let inside = &sentences[sentence as usize];
            assert!(inside.start <= range.start && range.end <= inside.end);
            let piece = text.get(range).expect("on character boundaries");
            assert_eq!(
                piece.trim(),
                if piece.trim().is_empty() { "" } else { piece }
            );
        }
        // Arabic vowel signs, which BERT's normalizer removes, need not be in a token.
        let is_letter = |c: &char| c.is_alphabetic() && !('\u{64B}'..='\u{652}').contains(c);
        let pieces: Vec<&str> = tokens
            .spans
            .iter()
            .map(|s| &text[s.start as usize..s.end as usize])
            .collect();
        for letter in text.chars().filter(is_letter) {
            let covered = pieces.iter().any(|piece| piece.contains(letter));
            assert!(covered, "{model}: {letter:?} is in no token");
        }
    }
}

#[test]
fn special_tokens_and_unknown_characters() {
    for (model, [cls, sep, pad, unk]) in BERTS.iter().zip([
        ["[CLS]", "[SEP]", "[PAD]", "[UNK]"],
        ["<s>", "</s>", "<pad>", "<unk>"],
    ]) {
        let tokenizer = load(model).tokenizer;
        let id = |token: &str| tokenizer.inner().token_to_id(token);
        assert_eq!(tokenizer.cls_id(), id(cls));
        assert_eq!(tokenizer.sep_id(), id(sep));
        assert_eq!(tokenizer.pad_id(), id(pad));
        assert_eq!(tokenizer.unk_id(), id(unk));
        assert!(tokenizer.unk_id().is_some());
        assert_eq!((tokenizer.prefix_len(), tokenizer.special_len()), (1, 2));

        let text = format!("a {sep} b");
        let tokens = tokenizer
            .encode(&text, std::slice::from_ref(&(0..text.len())))
            .expect("ok");
        assert!(
            !tokens.ids.contains(&id(sep).expect("there")),
            "{model}: text made a {sep}"
        );

        let text = "ꙮ";
        let tokens = tokenizer
            .encode(text, std::slice::from_ref(&(0..text.len())))
            .expect("ok");
        assert!(tokenizer.unknown_fraction(&tokens.ids) > 0.0);
        let text = "decision";
        let tokens = tokenizer
            .encode(text, std::slice::from_ref(&(0..text.len())))
            .expect("ok");
        assert!(tokenizer.unknown_fraction(&tokens.ids) < f32::EPSILON);
        assert!(tokenizer.unknown_fraction(&[]) < f32::EPSILON);
    }
}

#[test]
fn spans_that_are_not_in_the_text_are_refused() {
    let tokenizer = load("bert").tokenizer;
    let backwards = Range { start: 4, end: 2 };
    for sentences in [vec![0..9], vec![0..1], vec![0..4, 2..4], vec![backwards]] {
        let error = tokenizer.encode("éa b", &sentences).expect_err("refused");
        assert_eq!(error.code(), "invalid_span", "{sentences:?}");
    }
}

//! Text to token ids and back to where each token stands in the text.
//!
//! A thin layer over the `tokenizers` crate, which reads the `tokenizer.json` of Hugging Face.

mod model;
mod unigram;

use std::ops::Range;
use std::path::Path;

use tokenizers::{
    DecoderWrapper, Encoding, Model, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    Token, TokenizerImpl,
};

use model::TextModel;

use super::error::EncoderError;
use super::files::io_error;

/// The crate's tokenizer, around the models of this module.
pub type Tokenizer = TokenizerImpl<
    TextModel,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// The most bytes of one text: spans are 32-bit byte offsets.
const MAX_TEXT_BYTES: usize = u32::MAX as usize;

/// A character that no vocabulary holds, U+10FFFF: Unicode reserves it as a noncharacter.
const NONCHARACTER: &str = "\u{10FFFF}";

/// The tokens of a text, without special tokens. The three lists have the same length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Where each token stands, in bytes of the text, on character boundaries, without the white
    /// space around it. Tokens that share a character (byte-level ones) share its span; a token
    /// that stands for no character has an empty span.
    pub spans: Vec<Range<u32>>,
    /// Which of the given sentences each token is in.
    pub sentence_of: Vec<u32>,
}

impl Tokens {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// A tokenizer that makes token ids for an encoder.
#[derive(Clone, Debug)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    /// Special tokens before and after a single sequence.
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    pad: Option<u32>,
    unk: Option<u32>,
    /// Ids that a text never makes, ascending.
    reserved: Vec<u32>,
    /// Largest id plus one.
    rows: usize,
}

impl TextTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`EncoderError::MissingFile`], [`EncoderError::Io`], or as [`TextTokenizer::new`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, EncoderError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| {
            let folder = path.parent().unwrap_or_else(|| Path::new(""));
            match (error.kind(), path.file_name()) {
                (std::io::ErrorKind::NotFound, Some(name)) => EncoderError::MissingFile {
                    file: name.to_string_lossy().into_owned(),
                    location: folder.display().to_string(),
                },
                _ => io_error(&path.display().to_string(), error),
            }
        })?;
        Self::from_bytes(&bytes)
    }

    /// Reads the bytes of a `tokenizer.json`.
    ///
    /// # Errors
    /// As [`TextTokenizer::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EncoderError> {
        Self::new(serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?)
    }

    /// Takes a tokenizer. Its truncation and padding are switched off: nothing of a text is ever
    /// dropped here. Special tokens written out in a text (`[SEP]`, `</s>`) are text, or the
    /// unknown token where the vocabulary has no other, so that a text cannot end its own
    /// sequence.
    ///
    /// The special tokens around a sequence are those of its post-processor; without one they are
    /// `[CLS]` and `[SEP]`, or `<s>` and `</s>`.
    ///
    /// # Errors
    /// [`EncoderError::InvalidTokenizer`] when its vocabulary is empty, it has neither a
    /// post-processor nor those tokens, or its post-processor drops the sequence.
    pub fn new(mut tokenizer: Tokenizer) -> Result<Self, EncoderError> {
        let pad = tokenizer.get_padding().map(|padding| padding.pad_id);
        let pad = pad.or_else(|| first_id(&tokenizer, ["[PAD]", "<pad>"]));
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| invalid(error.to_string()))?;
        tokenizer.set_encode_special_tokens(true);
        let added = tokenizer.get_added_tokens_decoder().into_keys().max();
        let Some(largest) = tokenizer.get_model().largest_id().max(added) else {
            return Err(invalid("the vocabulary is empty".to_owned()));
        };
        let (prefix, suffix) = special_tokens(&tokenizer)?;
        let unk = unknown_id(&tokenizer);
        let mut reserved: Vec<u32> = tokenizer
            .get_added_tokens_decoder()
            .into_iter()
            .filter_map(|(id, token)| (token.special && Some(id) != unk).then_some(id))
            .collect();
        reserved.sort_unstable();
        Ok(Self {
            tokenizer,
            prefix,
            suffix,
            pad,
            unk,
            reserved,
            rows: largest as usize + 1,
        })
    }

    /// The tokens of `text`, sentence by sentence, without special tokens.
    ///
    /// `sentences` are byte spans of `text`, in order and not overlapping; what lies between them
    /// is not read. Each sentence is tokenized on its own.
    ///
    /// # Errors
    /// [`EncoderError::TextTooLong`] from 4 GiB, [`EncoderError::InvalidSpan`] for a span that is
    /// not in the text, cuts a character or is out of order, [`EncoderError::InvalidTokenizer`]
    /// when the vocabulary lacks a character and has no unknown token.
    pub fn encode(&self, text: &str, sentences: &[Range<usize>]) -> Result<Tokens, EncoderError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(EncoderError::TextTooLong {
                bytes: text.len(),
                limit: MAX_TEXT_BYTES,
            });
        }
        let mut tokens = Tokens::default();
        let mut read = 0;
        for (number, sentence) in sentences.iter().enumerate() {
            let slice = text
                .get(sentence.clone())
                .filter(|_| sentence.start >= read);
            let Some(slice) = slice else {
                return Err(EncoderError::InvalidSpan {
                    sentence: number,
                    start: sentence.start,
                    end: sentence.end,
                });
            };
            read = sentence.end;
            let encoding = self
                .tokenizer
                .encode(slice, false)
                .map_err(|error| invalid(format!("cannot tokenize: {error}")))?;
            tokens
                .ids
                .extend(encoding.get_ids().iter().map(|&id| self.as_text(id)));
            tokens
                .spans
                .extend(encoding.get_offsets().iter().map(|&offsets| {
                    let span = visible_span(slice, offsets);
                    (sentence.start + span.start) as u32..(sentence.start + span.end) as u32
                }));
            tokens.sentence_of.resize(tokens.ids.len(), number as u32);
        }
        Ok(tokens)
    }

    /// Unigram vocabularies hold their special tokens as pieces too, so the model itself makes
    /// `</s>` from such a text.
    fn as_text(&self, id: u32) -> u32 {
        match self.unk {
            Some(unk) if self.reserved.binary_search(&id).is_ok() => unk,
            _ => id,
        }
    }

    /// One sequence for the encoder: `ids` between the special tokens (`[CLS]` … `[SEP]`).
    pub fn wrap(&self, ids: &[u32]) -> Vec<u32> {
        [self.prefix.as_slice(), ids, self.suffix.as_slice()].concat()
    }

    /// One sequence of two texts: [`TextTokenizer::wrap`] of `first`, then `second` and the closing
    /// special tokens again. The first token of `second` has the index of
    /// [`TextTokenizer::special_len`] plus the length of `first`.
    pub fn wrap_pair(&self, first: &[u32], second: &[u32]) -> Vec<u32> {
        [
            self.prefix.as_slice(),
            first,
            self.suffix.as_slice(),
            second,
            self.suffix.as_slice(),
        ]
        .concat()
    }

    /// Special tokens that [`TextTokenizer::wrap_pair`] adds in all.
    pub fn pair_len(&self) -> usize {
        self.prefix.len() + 2 * self.suffix.len()
    }

    /// Special tokens before a sequence; its first token has this index after
    /// [`TextTokenizer::wrap`].
    pub fn prefix_len(&self) -> usize {
        self.prefix.len()
    }

    /// Special tokens that [`TextTokenizer::wrap`] adds in all.
    pub fn special_len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// Id of the token that opens a sequence (`[CLS]`, `<s>`).
    pub fn cls_id(&self) -> Option<u32> {
        self.prefix.first().copied()
    }

    /// Id of the token that closes a sequence (`[SEP]`, `</s>`).
    pub fn sep_id(&self) -> Option<u32> {
        self.suffix.last().copied()
    }

    /// Id of the padding token.
    pub fn pad_id(&self) -> Option<u32> {
        self.pad
    }

    /// Id of the token for what the vocabulary lacks; byte-level vocabularies have none.
    pub fn unk_id(&self) -> Option<u32> {
        self.unk
    }

    /// Embedding rows that the vocabulary needs: the largest id plus one.
    pub fn vocab_size(&self) -> usize {
        self.rows
    }

    /// The share of `ids` that are the unknown token, from 0 to 1; 0 when there are none.
    pub fn unknown_fraction(&self, ids: &[u32]) -> f32 {
        if ids.is_empty() {
            return 0.0;
        }
        let unknown = ids.iter().filter(|&&id| Some(id) == self.unk).count();
        unknown as f32 / ids.len() as f32
    }

    /// Checks that every id has a row in an embedding table of `rows` rows.
    ///
    /// # Errors
    /// [`EncoderError::TokenizerMismatch`] naming both numbers.
    pub fn check_embedding_rows(&self, rows: usize) -> Result<(), EncoderError> {
        if self.rows > rows {
            return Err(EncoderError::TokenizerMismatch {
                tokenizer: self.rows,
                model: rows,
            });
        }
        Ok(())
    }

    /// The wrapped tokenizer.
    pub fn inner(&self) -> &Tokenizer {
        &self.tokenizer
    }
}

/// Asks the post-processor what it puts around a single sequence, by sending one token through it.
fn special_tokens(tokenizer: &Tokenizer) -> Result<(Vec<u32>, Vec<u32>), EncoderError> {
    if tokenizer.get_post_processor().is_none() {
        for (open, close) in [("[CLS]", "[SEP]"), ("<s>", "</s>")] {
            if let (Some(open), Some(close)) =
                (tokenizer.token_to_id(open), tokenizer.token_to_id(close))
            {
                return Ok((vec![open], vec![close]));
            }
        }
        let message = "no post-processor, and no [CLS] and [SEP] or <s> and </s> to do without";
        return Err(invalid(message.to_owned()));
    }
    let probe = Token::new(u32::MAX, NONCHARACTER.to_owned(), (0, NONCHARACTER.len()));
    let ids = tokenizer
        .post_process(Encoding::from_tokens(vec![probe], 0), None, true)
        .map_err(|error| invalid(error.to_string()))?
        .get_ids()
        .to_vec();
    let Some(place) = ids.iter().position(|&id| id == u32::MAX) else {
        return Err(invalid("the post-processor drops the sequence".to_owned()));
    };
    Ok((ids[..place].to_vec(), ids[place + 1..].to_vec()))
}

/// What the model answers to a character that no vocabulary holds.
fn unknown_id(tokenizer: &Tokenizer) -> Option<u32> {
    match tokenizer
        .get_model()
        .tokenize(NONCHARACTER)
        .ok()?
        .as_slice()
    {
        [token] => Some(token.id),
        _ => first_id(tokenizer, ["[UNK]", "<unk>"]),
    }
}

fn first_id(tokenizer: &Tokenizer, names: [&str; 2]) -> Option<u32> {
    names.iter().find_map(|name| tokenizer.token_to_id(name))
}

/// The span widened to character boundaries, then without white space at its ends. A span of
/// nothing but white space stays as it is.
fn visible_span(text: &str, (start, end): (usize, usize)) -> Range<usize> {
    let mut start = start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    let slice = &text[start..end];
    let trimmed = slice.trim_start();
    if trimmed.is_empty() {
        return start..end;
    }
    let start = end - trimmed.len();
    start..start + trimmed.trim_end().len()
}

fn invalid(message: String) -> EncoderError {
    EncoderError::InvalidTokenizer { message }
}

//! What one block looks like.

use super::cues::{self, Cue};
use crate::text::fold::fold_str;
use crate::text::invisible::characters_per_word;

/// Parts of a page that are told by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Furniture {
    /// Text that a program left where nothing was to be shown.
    Filler,
    /// A short block that announces something, and nothing else.
    Cue(Cue),
    /// A cue in front of a colon, with text behind it.
    Labelled,
    /// A notice of the site: cookies, copyright, newsletter.
    Notice,
    /// A menu written in one line: short entries between bars or arrows.
    MenuLine,
    /// An address of a page or a mailbox, and nothing else.
    Address,
}

/// The shape of a block, as far as it tells prose from furniture.
#[derive(Debug, Clone)]
pub(super) struct Features {
    /// Words; where words are written without spaces, characters count as parts of a word.
    pub mass: f32,
    /// Ends as a statement does, perhaps behind a closing quotation mark.
    pub full_stop: bool,
    /// Ends as any sentence does.
    pub terminal: bool,
    /// Commas, full stops and the like inside the block.
    pub inner: u32,
    /// Begins as an entry of a list or a line of dialogue does.
    pub bullet: bool,
    /// What part of a page the block is, whatever stands around it.
    pub furniture: Option<Furniture>,
    /// Folded letters and digits of a short block, to find repetitions; empty for longer ones.
    pub key: String,
}

/// Blocks up to this mass may be headings, menu entries or links.
pub(super) const SHORT: f32 = 16.0;
/// Blocks up to this mass may be notices.
const NOTICE: f32 = 70.0;

impl Features {
    /// Reads a block, in time linear in its length.
    pub fn of(text: &str) -> Self {
        let (mass, inner) = count(text);
        let end = text.trim_end_matches(|c: char| {
            c.is_whitespace()
                || matches!(
                    c,
                    '"' | '\'' | '”' | '“' | '»' | '’' | ')' | ']' | '」' | '』' | '）'
                )
        });
        let full_stop = end.ends_with(['.', '。', '۔', '।', '…', '።', '։']);
        let terminal = full_stop || end.ends_with(['!', '?', '؟', '！', '？', '՞', ';', '؛']);
        let short = mass <= SHORT;
        Self {
            mass,
            full_stop,
            terminal,
            inner,
            bullet: is_bullet(text),
            furniture: furniture(text, mass, full_stop, terminal),
            key: if short {
                letters_and_digits(text)
            } else {
                String::new()
            },
        }
    }

    /// Whether the block is part of a page that has no place in an article. An address may
    /// have one.
    pub fn outright(&self) -> bool {
        self.furniture
            .is_some_and(|kind| kind != Furniture::Address)
    }

    /// Whether the block announces a list of other things.
    pub fn opens_box(&self) -> bool {
        matches!(
            self.furniture,
            Some(Furniture::Cue(Cue::Box | Cue::Comments))
        )
    }

    /// Whether the block announces readers' comments.
    pub fn opens_comments(&self) -> bool {
        self.furniture == Some(Furniture::Cue(Cue::Comments))
    }

    /// Whether the block could be a heading, a menu entry or a link: short, and no statement.
    pub fn link_like(&self) -> bool {
        self.mass <= SHORT && !self.full_stop && !self.bullet
    }

    /// Whether the block reads as prose: a statement of some length, or much text.
    pub fn prose(&self) -> bool {
        (self.full_stop && self.mass >= 8.0)
            || (self.terminal && self.mass >= 12.0)
            || (self.inner > 0 && self.mass >= 25.0)
            || self.mass >= 40.0
    }

    /// How much the block speaks for (positive) or against (negative) being part of an article.
    pub fn score(&self) -> f32 {
        match self.furniture {
            Some(Furniture::Cue(Cue::Comments)) => return -1e9,
            Some(Furniture::Address) => return -8.0,
            Some(_) => return -18.0,
            None => {}
        }
        if self.prose() {
            return self.mass;
        }
        match (self.full_stop, self.bullet) {
            _ if self.mass < 0.5 => 0.0,
            (true, _) => self.mass / 2.0,
            (false, true) => -2.0,
            (false, false) if self.terminal => -3.0,
            _ => -6.0,
        }
    }
}

/// Recognises parts of a page, the surest first.
fn furniture(text: &str, mass: f32, full_stop: bool, terminal: bool) -> Option<Furniture> {
    if is_filler(text) {
        return Some(Furniture::Filler);
    }
    if mass <= SHORT && !(full_stop && mass > 4.0) {
        if let Some(cue) = cues::whole(&cues::key(text)) {
            return Some(Furniture::Cue(cue));
        }
        if cues::label(text).is_some() {
            return Some(Furniture::Labelled);
        }
    }
    if mass <= NOTICE && cues::is_notice(&fold_str(text)) {
        return Some(Furniture::Notice);
    }
    if !terminal && mass < 60.0 && is_menu_line(text) {
        return Some(Furniture::MenuLine);
    }
    is_address(text).then_some(Furniture::Address)
}

/// What is left of a block when spelling, punctuation and spaces do not matter.
fn letters_and_digits(text: &str) -> String {
    fold_str(text)
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect()
}

/// Words and inner punctuation.
fn count(text: &str) -> (f32, u32) {
    let (mut mass, mut inner) = (0.0, 0);
    let mut in_word = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if let Some(per_word) = characters_per_word(c) {
            mass += 1.0 / per_word;
            in_word = false;
        } else if c.is_alphanumeric() {
            if !in_word {
                mass += 1.0;
            }
            in_word = true;
        } else {
            let joins = matches!(c, '\'' | '’' | '-' | '\u{200C}' | '\u{200D}' | '\u{AD}')
                || !c.is_ascii() && unicode_normalization::char::is_combining_mark(c);
            in_word &= joins;
            let stop = matches!(
                c,
                ',' | '.'
                    | '،'
                    | '؛'
                    | ';'
                    | ':'
                    | '。'
                    | '，'
                    | '、'
                    | '۔'
                    | '।'
                    | '?'
                    | '!'
                    | '؟'
            );
            inner += u32::from(stop && chars.peek().is_some());
        }
    }
    (mass, inner)
}

/// A bullet, a dash of dialogue, or a number with a full stop or bracket.
fn is_bullet(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_numeric());
    if rest.len() < text.len() && text.len() - rest.len() < 8 {
        return rest.starts_with(['.', ')', '-', '–', '،']) && rest.len() > 1;
    }
    text.starts_with(['•', '-', '–', '—', '*', '◦', '▪', '●', '·', '‣', '■'])
}

/// At least three entries between bars or arrows, none of them long.
fn is_menu_line(text: &str) -> bool {
    const BARS: [char; 9] = ['|', '›', '»', '•', '·', '▸', '→', '>', '／'];
    let entries: Vec<&str> = text
        .split(BARS)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    entries.len() >= 3
        && entries.iter().all(|entry| entry.split_whitespace().count() <= 5 && count(entry).0 <= 6.0)
        // A quotation in « » is no menu.
        && !text.contains('«')
}

/// What programs write for nothing.
fn is_filler(text: &str) -> bool {
    let text =
        text.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '[' | ']' | '{' | '}'));
    matches!(
        text.to_ascii_lowercase().as_str(),
        "undefined" | "null" | "nan" | "[object object]" | "loading" | "{{title}}"
    )
}

/// One address of a page or a mailbox.
fn is_address(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (Some(word), None) = (words.next(), words.next()) else {
        return false;
    };
    word.starts_with("http://")
        || word.starts_with("https://")
        || word.starts_with("www.")
        || word.is_ascii()
            && word.rsplit_once('.').is_some_and(|(host, end)| {
                host.len() >= 3
                    && (2..=6).contains(&end.len())
                    && end.bytes().all(|byte| byte.is_ascii_lowercase())
                    && host.bytes().all(|b| {
                        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'@' | b'_')
                    })
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_in_every_script() {
        assert!((Features::of("A well-known friend's plan").mass - 4.0).abs() < 0.1);
        assert!((Features::of("संयुक्त राष्ट्र की बैठक").mass - 4.0).abs() < 0.1);
        let chinese = Features::of("联合国安全理事会今天举行会议").mass;
        assert!((7.0..10.0).contains(&chinese), "{chinese}");
    }

    #[test]
    fn furniture_is_recognised() {
        let kind = |text: &str| Features::of(text).furniture;
        assert_eq!(kind("undefined"), Some(Furniture::Filler));
        assert_eq!(
            kind("Home | News | Sport | Culture"),
            Some(Furniture::MenuLine)
        );
        assert_eq!(kind("Новости › Мир › Европа"), Some(Furniture::MenuLine));
        assert_eq!(kind("example.org"), Some(Furniture::Address));
        assert_eq!(kind("https://example.org/a/b?c"), Some(Furniture::Address));
    }

    #[test]
    fn prose_is_not_furniture() {
        for text in [
            "The minister said: \"We shall see.\"",
            "«Мы готовы к переговорам», — заявил министр.",
            "* * *",
            "Undefined terms trouble the treaty.",
            "Either A | B or nothing at all, as the old negotiators used to say in Geneva.",
        ] {
            assert_eq!(Features::of(text).furniture, None, "{text}");
        }
        assert!(Features::of("He said \"we agree on nothing at all now.\"").prose());
    }
}

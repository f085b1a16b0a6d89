//! From names to one automaton with the rules of each pattern.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::actor::{ActorKind, Alias, UNKNOWN_LANGUAGE};
use super::boundary::{Left, Right, Script, script, shapes, verify};
use super::canon::{Canon, canon_str};
use super::error::ActorError;
use super::inflect::{cyrillic_forms, is_latin, without_accents, without_nuktas};
use super::language::{ARABIC_SCRIPT, bit, vote};

/// The actor of patterns that are there to win over names and be thrown away: "New Mexico".
pub(super) const NOBODY: u32 = u32::MAX;

/// What a pattern means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent facts about a name
struct Meaning {
    actor: u32,
    left: Left,
    right: Right,
    case: Case,
    ambiguous: bool,
    capital: bool,
    weak: bool,
    loaded: bool,
    local: bool,
    person: bool,
    state: bool,
    /// The languages of the name, as far as a vote can be for them.
    languages: u16,
}

/// What the case of the original must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Any,
    /// The first letter is a capital, unless the whole text does without capitals.
    Casual,
    /// The first letter is a capital.
    Initial,
    /// All letters are capitals, as those of the name.
    Upper,
}

/// A place where a name of an actor stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent facts about a name
pub(super) struct Candidate {
    /// In the comparable text.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) actor: u32,
    pub(super) ambiguous: bool,
    pub(super) capital: bool,
    pub(super) weak: bool,
    pub(super) loaded: bool,
    pub(super) person: bool,
}

/// The automaton over all names of some actors.
#[derive(Debug)]
pub(super) struct Index {
    automaton: Option<AhoCorasick>,
    /// For each pattern, where its meanings are.
    slots: Vec<(u32, u32)>,
    meanings: Vec<Meaning>,
}

/// Collects names until the automaton is built.
#[derive(Default)]
pub(super) struct IndexBuilder {
    patterns: Vec<(String, Meaning)>,
}

impl IndexBuilder {
    /// Adds one name of an actor.
    pub(super) fn add(
        &mut self,
        actor: u32,
        kind: Option<ActorKind>,
        language: &str,
        alias: &Alias,
    ) {
        let case = case_rule(alias, language);
        for form in forms(alias, language) {
            for shape in shapes(&form, alias, language, kind) {
                let meaning = Meaning {
                    actor,
                    left: shape.left,
                    right: shape.right,
                    case,
                    ambiguous: alias.ambiguous,
                    capital: alias.capital,
                    weak: alias.weak,
                    loaded: alias.loaded,
                    local: alias.local,
                    person: kind == Some(ActorKind::Person),
                    state: kind == Some(ActorKind::State),
                    languages: bit(language),
                };
                self.patterns.push((shape.pattern, meaning));
            }
        }
    }

    /// Adds what another builder has collected.
    pub(super) fn append(&mut self, mut other: Self) {
        self.patterns.append(&mut other.patterns);
    }

    /// The automaton: a contiguous NFA, few megabytes for the whole registry and built in tens
    /// of milliseconds, where a DFA would take seconds.
    pub(super) fn build(mut self, actors: usize) -> Result<Index, ActorError> {
        self.patterns.sort_by(|a, b| a.0.cmp(&b.0));
        let mut texts: Vec<String> = Vec::with_capacity(self.patterns.len());
        let mut slots: Vec<(u32, u32)> = Vec::with_capacity(self.patterns.len());
        let mut meanings: Vec<Meaning> = Vec::with_capacity(self.patterns.len());
        for (text, meaning) in self.patterns {
            let same = texts.last() == Some(&text);
            let from = match slots.last() {
                Some(&(from, _)) if same => from,
                _ => meanings.len() as u32,
            };
            let twin = meanings[from as usize..]
                .iter_mut()
                .find(|other| other.is_twin(&meaning));
            match twin {
                Some(twin) => twin.languages |= meaning.languages,
                None => meanings.push(meaning),
            }
            if same {
                slots.pop();
            } else {
                texts.push(text);
            }
            slots.push((from, meanings.len() as u32));
        }
        let automaton = if texts.is_empty() {
            None
        } else {
            let built = AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(&texts)
                .map_err(|error| ActorError::TooManyNames {
                    actors,
                    message: error.to_string(),
                })?;
            Some(built)
        };

        Ok(Index {
            automaton,
            slots,
            meanings,
        })
    }
}

impl Index {
    /// Shared, as several matchers use it.
    pub(super) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    /// How many patterns the automaton has.
    pub(super) fn patterns(&self) -> usize {
        self.slots.len()
    }

    /// Every place where a name stands as a word, overlapping ones included.
    ///
    /// The search reports overlapping matches: with leftmost-longest semantics a long name
    /// that fails its boundary rules would hide a shorter one inside it that passes.
    pub(super) fn candidates(&self, source: &str, canon: &Canon) -> Vec<Candidate> {
        let Some(automaton) = &self.automaton else {
            return Vec::new();
        };
        let mut voted: Option<u16> = None;
        let mut casual: Option<bool> = None;
        let mut found = Vec::new();
        for hit in automaton.find_overlapping_iter(&canon.text) {
            let (from, to) = self.slots[hit.pattern().as_usize()];
            for meaning in &self.meanings[from as usize..to as usize] {
                let Some(span) = verify(&canon.text, hit.range(), meaning.left, meaning.right)
                else {
                    continue;
                };
                let mut candidate = Candidate {
                    start: span.start,
                    end: span.end,
                    actor: meaning.actor,
                    ambiguous: meaning.ambiguous,
                    capital: meaning.capital,
                    weak: meaning.weak,
                    loaded: meaning.loaded,
                    person: meaning.person,
                };
                let language = || *voted.get_or_insert_with(|| vote(&canon.text));
                if meaning.fits_language(
                    language,
                    || &source[canon.to_source(hit.range())],
                    &mut candidate,
                ) && meaning.fits_case(source, canon, hit.range(), &mut casual, &mut candidate)
                {
                    found.push(candidate);
                }
            }
        }
        found
    }
}

impl Meaning {
    /// Whether two meanings of a pattern differ in their languages alone.
    fn is_twin(&self, other: &Self) -> bool {
        let languages = self.languages;
        (languages == 0) == (other.languages == 0)
            && *self
                == Self {
                    languages,
                    ..*other
                }
    }

    /// Whether the name counts in a text of this language (see [`vote`]).
    fn fits_language<'a>(
        &self,
        language: impl FnOnce() -> u16,
        original: impl FnOnce() -> &'a str,
        candidate: &mut Candidate,
    ) -> bool {
        let arabic_script = self.languages & ARABIC_SCRIPT != 0;
        if !self.local && !arabic_script {
            return true;
        }
        let language = language();
        if self.local {
            candidate.ambiguous |= language == 0;
            return language == 0 || language & self.languages != 0;
        }
        // Arabic texts take Arabic names only: تركية is an adjective there and Turkey in
        // Persian. Urdu and Persian texts share names and also use the Arabic ones.
        let (arabic, persian, urdu) = (bit("ar"), bit("fa"), bit("ur"));
        match language {
            _ if language == arabic => self.languages & arabic != 0,
            _ if language == persian => self.languages != urdu,
            _ if language == urdu => true,
            _ => {
                // Nothing said: the letters may tell an Arabic keyboard from a Persian one.
                candidate.ambiguous |=
                    self.languages & arabic == 0 && !self.weak && typed_in_arabic(original());
                true
            }
        }
    }

    /// Whether the original is written in the right case; may mark the candidate as ambiguous
    /// or weak.
    fn fits_case(
        &self,
        source: &str,
        canon: &Canon,
        at: std::ops::Range<usize>,
        casual: &mut Option<bool>,
        candidate: &mut Candidate,
    ) -> bool {
        if self.case == Case::Any && !(self.state && self.languages & bit("ar") != 0) {
            return true;
        }
        let span = canon.to_source(at);
        let original = &source[span.clone()];
        match self.case {
            Case::Any => {
                // سوريًا with tanwin is the adjective in the accusative.
                candidate.weak |= original.contains('\u{064B}');
                true
            }
            Case::Casual if !original.starts_with(char::is_lowercase) => true,
            Case::Casual => *casual.get_or_insert_with(|| is_casual(source)),
            Case::Initial => original.chars().next().is_some_and(|c| !c.is_lowercase()),
            Case::Upper => {
                candidate.ambiguous |= self.among_capitals(source, span.clone());
                !original.contains(char::is_lowercase)
            }
        }
    }

    /// Whether everything around is in capitals, so that capitals say nothing.
    fn among_capitals(&self, source: &str, span: std::ops::Range<usize>) -> bool {
        const LETTERS: usize = 12;
        let around = source[..span.start]
            .chars()
            .rev()
            .filter(|c| c.is_alphabetic())
            .take(LETTERS)
            .chain(
                source[span.end..]
                    .chars()
                    .filter(|c| c.is_alphabetic())
                    .take(LETTERS),
            );
        let (mut upper, mut lower) = (0, 0);
        for c in around {
            upper += usize::from(c.is_uppercase());
            lower += usize::from(c.is_lowercase());
        }
        self.case == Case::Upper && upper >= 6 && lower == 0
    }
}

/// Whether a text does without capitals, as many posts do: under one in a hundred of the
/// letters that have case.
fn is_casual(source: &str) -> bool {
    let (mut upper, mut lower) = (0_usize, 0_usize);
    for c in source.chars() {
        upper += usize::from(c.is_uppercase());
        lower += usize::from(c.is_lowercase());
    }
    upper * 100 < upper + lower
}

/// Whether letters in Arabic script are those that only Arabic has among its variants.
fn typed_in_arabic(original: &str) -> bool {
    const ELSEWHERE: [char; 12] = ['ی', 'ک', 'پ', 'چ', 'ژ', 'گ', 'ٹ', 'ڈ', 'ڑ', 'ہ', 'ے', 'ں'];
    original.contains(['ي', 'ك', 'ة']) && !original.contains(ELSEWHERE)
}

/// The comparable forms of a name: itself, its case forms, itself without accents or nuktas.
fn forms(alias: &Alias, language: &str) -> Vec<String> {
    let canonical = canon_str(&alias.text);
    if canonical.is_empty() {
        return Vec::new();
    }
    let cyrillic = canonical.chars().any(|c| script(c) == Script::Cyrillic);
    if cyrillic && !alias.open {
        let mut forms = cyrillic_forms(&alias.text, language == "uk");
        if language == "und" {
            forms.append(&mut cyrillic_forms(&alias.text, true));
        }
        return forms;
    }
    let plain = without_accents(&canonical).or_else(|| without_nuktas(&canonical));
    std::iter::once(canonical).chain(plain).collect()
}

/// The rule of case that a name sets: acronyms of up to three letters stand in capitals; names
/// of up to four letters and flagged ones begin with a capital; other names of one word too,
/// except in texts that do without capitals. What a request brings is only held to the first two.
fn case_rule(alias: &Alias, language: &str) -> Case {
    const SHORT: usize = 4;
    const ACRONYM: usize = 3;
    let letters: Vec<char> = alias.text.chars().filter(|c| c.is_alphabetic()).collect();
    let cased = |c: &char| is_latin(*c) || script(*c) == Script::Cyrillic;
    if letters.is_empty() || !letters.iter().all(cased) || !letters[0].is_uppercase() {
        return Case::Any;
    }
    let upper = letters.iter().all(|c| c.is_uppercase());
    if alias.weak && !alias.cased {
        return Case::Any;
    }
    if upper && (letters.len() <= ACRONYM || alias.cased) {
        Case::Upper
    } else if letters.len() <= SHORT || alias.cased {
        Case::Initial
    } else if alias.text.contains(' ') || language == UNKNOWN_LANGUAGE {
        Case::Any
    } else {
        Case::Casual
    }
}

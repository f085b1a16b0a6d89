//! Which texts teach the vocabulary, and how much of each language.
//!
//! Arabic gets 33% of the bytes, English 19%, Russian 8%; the rest is shared by the other languages
//! in proportion to the size of their text to the power of [`TEMPERATURE`], so that small
//! languages are heard. A language never gets more than it has; what is left over goes to
//! the others. Of labelled data only rows that train are read ([`splits`]).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::data::DataError;
use crate::data::corpus::{self, RetrievalTest};
use crate::data::lines::Lines;
use crate::data::record::{self, StanceRecord, TopicRecord};
use crate::data::splits::{self, Split};

/// Exponent of a language's size; 1 is proportional, 0 is equal shares.
const TEMPERATURE: f64 = 0.3;

/// Most of a language's bytes that labelled stance rows may make up.
const LABELLED_SHARE: f64 = 0.4;

/// Shares of all bytes that are fixed.
const FIXED_SHARES: [(&str, f64); 3] = [("ar", 0.33), ("en", 0.19), ("ru", 0.08)];

/// What kind of file a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mono,
    ParallelOther,
    Stance,
    Topic,
}

/// A file that texts are drawn from; a file of labelled rows may hold several languages.
#[derive(Debug, Clone)]
pub struct Source {
    kind: Kind,
    /// Language of a corpus file; of labelled rows each row says its own.
    lang: String,
    path: PathBuf,
    /// Bytes of usable text per language.
    bytes: BTreeMap<String, usize>,
}

impl Source {
    /// Calls `take(language, text)` for every text of the source that may be read: no
    /// sentence that is `excluded`, no labelled row that is held out.
    pub fn for_each(
        &self,
        excluded: &RetrievalTest,
        mut take: impl FnMut(&str, &str) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        match self.kind {
            Kind::Mono => {
                for line in Lines::open(&self.path)? {
                    let (_, text) = line?;
                    if !excluded.contains(&text) {
                        take(&self.lang, &text)?;
                    }
                }
            }
            Kind::ParallelOther => {
                for pair in corpus::pairs(&self.path)? {
                    let (_, english, other) = pair?;
                    if !excluded.contains(&english) && !excluded.contains(&other) {
                        take(&self.lang, &other)?;
                    }
                }
            }
            Kind::Stance => {
                let stem = record::file_stem(&self.path);
                let mut last = String::new();
                for row in record::read::<StanceRecord>(&self.path)? {
                    let (_, row) = row?;
                    let split = splits::stance(&row.dataset, &stem, &row.text);
                    // Rows about one article stand together and repeat its text.
                    if split == Split::Train && row.text != last {
                        take(merged(&row.lang), &row.text)?;
                        last = row.text;
                    }
                }
            }
            Kind::Topic => {
                let stem = record::file_stem(&self.path);
                for row in record::read::<TopicRecord>(&self.path)? {
                    let (_, row) = row?;
                    if splits::topic(&row.dataset, &stem) == Split::Train {
                        take(merged(&record::iso_language(&row.lang)), &row.text)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the source is read first: labelled stance rows are few and written as users
    /// write.
    fn comes_first(&self) -> bool {
        self.kind == Kind::Stance
    }
}

/// Egyptian Arabic counts as Arabic here.
fn merged(lang: &str) -> &str {
    if lang == "arz" { "ar" } else { lang }
}

/// Every source under the data folder, with its bytes counted.
pub fn sources(data: &Path, test: &RetrievalTest) -> Result<Vec<Source>, DataError> {
    let mut sources = Vec::new();
    let mut add = |kind, lang: &str, path| {
        let lang = merged(lang).to_owned();
        sources.push(Source {
            kind,
            lang,
            path,
            bytes: BTreeMap::new(),
        });
    };
    for file in corpus::mono_files(data)? {
        add(Kind::Mono, &file.lang, file.path);
    }
    for file in corpus::parallel_files(data)? {
        add(Kind::ParallelOther, &file.lang, file.path);
    }
    for path in record::files(&data.join("stance/train"))? {
        add(Kind::Stance, "", path);
    }
    for path in record::files(&data.join("topic"))? {
        add(Kind::Topic, "", path);
    }
    for source in &mut sources {
        let mut bytes: BTreeMap<String, usize> = BTreeMap::new();
        source.for_each(test, |lang, text| {
            *bytes.entry(lang.to_owned()).or_default() += text.len();
            Ok(())
        })?;
        source.bytes = bytes;
    }
    Ok(sources)
}

/// How much of each language to read.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Per language: bytes at hand, bytes wanted.
    languages: BTreeMap<String, (usize, usize)>,
    /// Per language: chance of a labelled stance row, and of any other text.
    chances: BTreeMap<String, (f64, f64)>,
}

impl Plan {
    /// The chance with which a text in `lang` from `source` is read, between 0 and 1.
    pub fn chance(&self, source: &Source, lang: &str) -> f64 {
        let (first, other) = self.chances.get(lang).copied().unwrap_or_default();
        if source.comes_first() { first } else { other }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>6} {:>10} {:>10} {:>8} {:>8}",
            "lang", "MB at hand", "MB wanted", "stance", "other"
        )?;
        for (lang, (at_hand, wanted)) in &self.languages {
            let (at_hand, wanted) = (*at_hand as f64 / 1e6, *wanted as f64 / 1e6);
            let (first, other) = self.chances.get(lang).copied().unwrap_or_default();
            writeln!(
                f,
                "{lang:>6} {at_hand:>10.1} {wanted:>10.1} {first:>8.3} {other:>8.3}"
            )?;
        }
        Ok(())
    }
}

/// The texts, with their languages, that `plan` draws from the source with the given `number`; the
/// same seed draws the same texts.
pub fn draw(
    source: &Source,
    number: usize,
    plan: &Plan,
    test: &RetrievalTest,
    seed: u64,
) -> Result<Vec<(String, String)>, DataError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number as u64);
    let mut texts = Vec::new();
    source.for_each(test, |lang, text| {
        if random.random::<f64>() < plan.chance(source, lang) {
            texts.push((lang.to_owned(), text.to_owned()));
        }
        Ok(())
    })?;
    Ok(texts)
}

/// Shares `total` bytes out among the languages of `sources`.
pub fn plan(sources: &[Source], total: usize) -> Plan {
    let mut at_hand: BTreeMap<String, usize> = BTreeMap::new();
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources {
        for (lang, bytes) in &source.bytes {
            *at_hand.entry(lang.clone()).or_default() += bytes;
            if source.comes_first() {
                *first.entry(lang.clone()).or_default() += bytes;
            }
        }
    }
    let wanted = share_out(&at_hand, total);
    let chance = |bytes: f64, of: usize| {
        if of == 0 {
            0.0
        } else {
            (bytes / of as f64).min(1.0)
        }
    };
    let chances = wanted
        .iter()
        .map(|(lang, &wanted)| {
            let wanted = wanted as f64;
            let first = first.get(lang).copied().unwrap_or(0);
            let of_first = chance(LABELLED_SHARE * wanted, first);
            let left = wanted - of_first * first as f64;
            (
                lang.clone(),
                (of_first, chance(left, at_hand[lang] - first)),
            )
        })
        .collect();
    let languages = at_hand
        .iter()
        .map(|(lang, &bytes)| (lang.clone(), (bytes, wanted[lang])))
        .collect();
    Plan { languages, chances }
}

fn share_out(at_hand: &BTreeMap<String, usize>, total: usize) -> BTreeMap<String, usize> {
    let fixed = |lang: &str| FIXED_SHARES.iter().find(|(name, _)| *name == lang);
    let mut wanted = BTreeMap::new();
    let mut left = total as f64;
    for (lang, &bytes) in at_hand {
        if let Some((_, share)) = fixed(lang) {
            let bytes = (total as f64 * share).min(bytes as f64);
            left -= bytes;
            wanted.insert(lang.clone(), bytes as usize);
        }
    }
    // Languages that have less than their share give the rest back; repeat until none does.
    let mut open: Vec<&String> = at_hand
        .keys()
        .filter(|lang| fixed(lang).is_none())
        .collect();
    loop {
        let weight = |lang: &String| (at_hand[lang] as f64).powf(TEMPERATURE);
        let weights: f64 = open.iter().map(|lang| weight(lang)).sum();
        let share = |lang: &String| left * weight(lang) / weights;
        let (small, large): (Vec<&String>, Vec<&String>) = open
            .iter()
            .partition(|lang| at_hand[**lang] as f64 <= share(lang));
        if small.is_empty() {
            for lang in large {
                wanted.insert(lang.clone(), share(lang) as usize);
            }
            return wanted;
        }
        for lang in small {
            left -= at_hand[lang] as f64;
            wanted.insert(lang.clone(), at_hand[lang]);
        }
        open = large;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_rule_and_stay_within_what_is_at_hand() {
        let at_hand: BTreeMap<String, usize> = [
            ("ar", 1000),
            ("en", 1000),
            ("fr", 900),
            ("sl", 10),
            ("de", 500),
        ]
        .map(|(lang, bytes)| (lang.to_owned(), bytes))
        .into();
        let wanted = share_out(&at_hand, 1000);
        assert_eq!((wanted["ar"], wanted["en"], wanted["sl"]), (330, 190, 10));
        assert!(wanted["fr"] > wanted["de"]);
        let sum: usize = wanted.values().sum();
        assert!((995..=1000).contains(&sum), "{wanted:?}");
        assert!(wanted.iter().all(|(lang, bytes)| *bytes <= at_hand[lang]));
    }

    #[test]
    fn one_small_language_takes_all_it_has() {
        let at_hand: BTreeMap<String, usize> = [("uk".to_owned(), 5)].into();
        assert_eq!(share_out(&at_hand, 100)["uk"], 5);
    }
}

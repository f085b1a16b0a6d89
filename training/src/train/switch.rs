//! Code switching: tokens of a row are replaced by their translations, so that what is learnt from
//! the labels of one language holds in others (Qin et al. 2020, CoSDA-ML, arXiv 2006.06402). The
//! dictionary is that of the aligned pieces of the pair store; a language without English in
//! between does not exist there, so Russian becomes Arabic by way of English.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Error, Result};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::draw::Draw;
use super::item::Item;
use crate::pairs::PairStore;

/// Translations of a piece that are kept at the most.
const KEPT: usize = 4;
/// Share of a piece's links that a translation must have.
const LEAST_SHARE: f32 = 0.15;
/// Links that a translation must have.
const LEAST_LINKS: u32 = 3;
/// Pairs of a language that the dictionary is counted on at the most.
const MOST_PAIRS: usize = 60_000;

const ENGLISH: &str = "en";

/// How often rows and tokens are switched.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Share of the stance rows that are switched.
    pub rows: f64,
    /// Share of such a row's tokens that are replaced, where the dictionary has them.
    pub tokens: f64,
    /// Relative weight of each language to switch into; others are not switched into.
    pub languages: BTreeMap<String, f64>,
}

/// Translations of each piece, drawn by their probabilities.
type Table = HashMap<u32, Translations>;

struct Translations {
    pieces: Vec<u32>,
    draw: Draw,
}

impl Translations {
    fn draw(&self, rng: &mut ChaCha8Rng) -> u32 {
        self.pieces[self.draw.number(rng)]
    }
}

/// The dictionary: pieces of English to pieces of each language, and back.
pub struct CodeSwitch {
    from_english: BTreeMap<String, Table>,
    to_english: BTreeMap<String, Table>,
    languages: Draw,
    settings: Settings,
}

#[derive(Default)]
struct Counts(HashMap<u32, HashMap<u32, u32>>);

impl Counts {
    fn add(&mut self, from: u32, to: u32) {
        *self.0.entry(from).or_default().entry(to).or_default() += 1;
    }

    /// The most probable translations.
    fn table(self) -> Result<Table> {
        let mut table = Table::new();
        for (from, counts) in self.0 {
            let total: u32 = counts.values().sum();
            let mut kept: Vec<(u32, f32)> = counts
                .into_iter()
                .filter(|(_, count)| *count >= LEAST_LINKS)
                .map(|(to, count)| (to, count as f32 / total as f32))
                .filter(|(_, share)| *share >= LEAST_SHARE)
                .collect();
            kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            kept.truncate(KEPT);
            if !kept.is_empty() {
                let draw = Draw::new("translations", kept.iter().map(|&(_, p)| f64::from(p)))?;
                let pieces = kept.into_iter().map(|(to, _)| to).collect();
                table.insert(from, Translations { pieces, draw });
            }
        }
        Ok(table)
    }
}

impl CodeSwitch {
    /// Counts the dictionary of every language of `store`.
    ///
    /// # Errors
    /// When the store is corrupt, or a language of the settings is not in it.
    pub fn new(store: &PairStore, settings: &Settings) -> Result<Self> {
        let languages: Vec<String> = store.languages().map(str::to_owned).collect();
        if let Some(unknown) = settings
            .languages
            .keys()
            .find(|l| *l != ENGLISH && !languages.contains(l))
        {
            candle_core::bail!("`switch.languages`: there are no pairs of `{unknown}`");
        }
        let (mut from_english, mut to_english) = (BTreeMap::new(), BTreeMap::new());
        for language in languages {
            let (mut there, mut back) = (Counts::default(), Counts::default());
            for index in 0..store.len(&language).min(MOST_PAIRS) {
                let Some(pair) = store.get(&language, index) else {
                    return Err(Error::Msg(format!("pair {index} of {language} is corrupt")));
                };
                let mut english: HashMap<u16, Vec<u32>> = HashMap::new();
                for (teacher, student) in &pair.english_links {
                    let piece = u32::from(pair.english[usize::from(*student)]);
                    english.entry(*teacher).or_default().push(piece);
                }
                for (teacher, student) in &pair.other_links {
                    let other = u32::from(pair.other[usize::from(*student)]);
                    for &piece in english.get(teacher).into_iter().flatten() {
                        there.add(piece, other);
                        back.add(other, piece);
                    }
                }
            }
            from_english.insert(language.clone(), there.table()?);
            to_english.insert(language, back.table()?);
        }
        Ok(Self {
            from_english,
            to_english,
            languages: Draw::new("switch.languages", settings.languages.values().copied())?,
            settings: settings.clone(),
        })
    }

    /// Switches a share of the rows, each into one drawn language. Special tokens, masked tokens
    /// and places stay.
    pub fn apply(&self, item: &mut Item, rng: &mut ChaCha8Rng) {
        if rng.random::<f64>() >= self.settings.rows {
            return;
        }
        let into = self.draw_language(rng).to_owned();
        let known = item.language == ENGLISH || self.to_english.contains_key(&item.language);
        if into == item.language || !known {
            return;
        }
        for id in item.windows.iter_mut().flatten() {
            if rng.random::<f64>() < self.settings.tokens
                && let Some(other) = self.translate(*id, &item.language, &into, rng)
            {
                *id = other;
            }
        }
    }

    fn draw_language(&self, rng: &mut ChaCha8Rng) -> &str {
        let number = self.languages.number(rng);
        let language = self.settings.languages.keys().nth(number);
        language.map_or(ENGLISH, String::as_str)
    }

    fn translate(&self, id: u32, from: &str, into: &str, rng: &mut ChaCha8Rng) -> Option<u32> {
        let english = if from == ENGLISH {
            id
        } else {
            self.to_english.get(from)?.get(&id)?.draw(rng)
        };
        if into == ENGLISH {
            return Some(english);
        }
        Some(self.from_english.get(into)?.get(&english)?.draw(rng))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{CodeSwitch, Settings};
    use crate::pairs::{Pair, PairStore, PairWriter};
    use crate::train::item::Item;

    /// Each English piece `p` is always linked with `p + 100` in `ar` and `p + 200` in `ru`.
    fn store(folder: &std::path::Path) -> PairStore {
        for (language, shift) in [("ar", 100), ("ru", 200)] {
            let mut writer = PairWriter::new();
            for _ in 0..5 {
                writer
                    .push(&Pair {
                        teacher: vec![1, 2, 3],
                        english: vec![10, 11, 12],
                        other: vec![12 + shift, 10 + shift, 11 + shift],
                        english_links: vec![(0, 0), (1, 1), (2, 2)],
                        other_links: vec![(0, 1), (1, 2), (2, 0)],
                    })
                    .unwrap();
            }
            writer
                .finish(&folder.join(format!("{language}.bin")))
                .unwrap();
        }
        PairStore::open(folder).unwrap()
    }

    fn switched(language: &str, ids: &[u32], into: &str) -> Vec<u32> {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            rows: 1.0,
            tokens: 1.0,
            languages: BTreeMap::from([(into.to_owned(), 1.0)]),
        };
        let switch = CodeSwitch::new(&store(folder.path()), &settings).unwrap();
        let mut item = Item {
            set: 0,
            language: language.into(),
            windows: vec![ids.to_vec()],
            targets: Vec::new(),
            topic: None,
            long: false,
        };
        switch.apply(&mut item, &mut ChaCha8Rng::seed_from_u64(3));
        item.windows[0].clone()
    }

    #[test]
    fn tokens_become_their_translations_in_place() {
        // Special tokens and pieces that the dictionary lacks stay.
        assert_eq!(
            switched("en", &[2, 10, 99, 12, 3], "ar"),
            [2, 110, 99, 112, 3]
        );
        assert_eq!(switched("ru", &[2, 210, 211, 3], "ar"), [2, 110, 111, 3]);
        assert_eq!(switched("ru", &[2, 210, 211, 3], "en"), [2, 10, 11, 3]);
        assert_eq!(switched("ar", &[2, 110, 3], "ar"), [2, 110, 3]);
        assert_eq!(switched("fi", &[2, 10, 3], "ar"), [2, 10, 3]);
    }

    #[test]
    fn a_language_without_pairs_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            rows: 1.0,
            tokens: 1.0,
            languages: BTreeMap::from([("xx".to_owned(), 1.0)]),
        };
        let error = CodeSwitch::new(&store(folder.path()), &settings).err();
        assert!(error.unwrap().to_string().contains("`xx`"));
    }
}

//! Which language a text is in, as far as names need it.
//!
//! Languages that share a script share spellings that mean different things: `ترکیه` is Turkey
//! in Persian, and the Arabic adjective `تركية` folds to the same letters; `Fas` is Morocco in
//! Turkish alone. A vote of function words tells such languages apart. It is no language
//! identification (that is [`crate::text`]'s), only a tie-break that costs a scan.

/// A language that a vote can be for. The order is that of [`WORDS`].
const VOTERS: [&str; 12] = [
    "ar", "fa", "ur", "en", "fr", "de", "es", "it", "pt", "tr", "ru", "uk",
];

/// Frequent function words, folded; a word may vote for several languages.
const WORDS: [&[&str]; 12] = [
    &[
        "في",
        "من",
        "الي",
        "التي",
        "الذي",
        "عن",
        "هذا",
        "هذه",
        "كان",
        "كانت",
        "قال",
        "مع",
        "ذلك",
        "الذين",
        "حيث",
        "بعد",
        "وقد",
        "الي",
        "قد",
        "ولم",
        "لم",
        "لن",
        "وان",
        "منذ",
    ],
    &[
        "در", "از", "كه", "اين", "است", "را", "با", "براي", "مي", "شد", "كرد", "بر", "نيز", "ان",
        "بود", "خود",
    ],
    &[
        "كے", "كي", "ميں", "هے", "سے", "نے", "اور", "كا", "هيں", "كو", "پر", "نهيں", "بهي", "گيا",
        "تها",
    ],
    &[
        "the", "of", "and", "to", "in", "is", "that", "for", "with", "on", "was", "are", "by",
        "has", "have", "said",
    ],
    &[
        "le", "la", "les", "des", "du", "et", "est", "une", "dans", "que", "pour", "sur", "avec",
        "aux", "par", "un",
    ],
    &[
        "der", "die", "das", "und", "ist", "von", "mit", "den", "ein", "eine", "nicht", "auf",
        "im", "zu", "für", "des",
    ],
    &[
        "el", "los", "las", "del", "y", "que", "en", "una", "por", "con", "para", "se", "es", "la",
        "un", "de",
    ],
    &[
        "il", "gli", "della", "di", "che", "è", "per", "un", "una", "sono", "nel", "con", "dei",
        "alla", "del", "la",
    ],
    &[
        "o", "os", "da", "do", "que", "e", "não", "um", "uma", "em", "para", "com", "na", "no",
        "dos", "ao",
    ],
    &[
        "ve", "bir", "bu", "için", "ile", "da", "de", "olarak", "çok", "gibi", "olan", "daha",
        "sonra", "değil",
    ],
    &[
        "и", "в", "не", "на", "что", "с", "по", "это", "как", "из", "его", "к", "но", "за", "был",
        "для", "о", "от",
    ],
    &[
        "і", "в", "не", "на", "що", "з", "у", "та", "це", "як", "його", "до", "але", "за", "був",
        "для", "про", "від",
    ],
];

/// The bit of a language in a set of languages, 0 for languages that no vote can be for.
pub(super) fn bit(language: &str) -> u16 {
    VOTERS
        .iter()
        .position(|&voter| voter == language)
        .map_or(0, |at| 1 << at)
}

/// The bits of the languages in Arabic script.
pub(super) const ARABIC_SCRIPT: u16 = 0b111;

/// The language of a comparable text: one bit, or 0 when the words do not say.
pub(super) fn vote(canon: &str) -> u16 {
    use std::collections::HashMap;
    use std::sync::OnceLock;
    static TABLE: OnceLock<HashMap<&str, u16>> = OnceLock::new();
    /// What decides a language decides it early.
    const MAX_WORDS: usize = 3000;
    let table = TABLE.get_or_init(|| {
        let mut table: HashMap<&str, u16> = HashMap::new();
        for (at, words) in WORDS.iter().enumerate() {
            words
                .iter()
                .for_each(|word| *table.entry(word).or_default() |= 1 << at);
        }
        table
    });
    let mut votes = [0_u32; VOTERS.len()];
    for word in canon
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
    {
        let Some(&bits) = table.get(word) else {
            continue;
        };
        for (at, count) in votes.iter_mut().enumerate() {
            *count += u32::from(bits >> at & 1);
        }
    }
    let best = votes.iter().copied().max().unwrap_or(0);
    let mut winners = votes
        .iter()
        .enumerate()
        .filter(|&(_, &count)| count == best);
    match (best, winners.next(), winners.next()) {
        // One word is no evidence.
        (2.., Some((at, _)), None) => 1 << at,
        _ => 0,
    }
}

/// ISO 639-1, all of it.
const ISO_639_1: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy \
da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io \
is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na \
nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss \
st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// Whether a code is one of ISO 639-1.
pub(super) fn is_language(code: &str) -> bool {
    ISO_639_1.split(' ').any(|known| known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_words_tell_languages_apart() {
        for (text, language) in [
            ("عقد الاجتماع في العاصمه وقال ان هذا من", "ar"),
            ("اين نشست در تهران برگزار شد كه", "fa"),
            ("وزير خارجه نے كها كه ميں", "ur"),
            ("the end of the war", "en"),
            ("il governo della repubblica che", "it"),
            ("bu ülke için çok önemli bir gün", "tr"),
            ("вона сказала що це не так і пішла до", "uk"),
        ] {
            assert_eq!(vote(text), bit(language), "{text}");
        }
        assert_eq!(vote("syria 2011"), 0);
    }

    #[test]
    fn codes() {
        assert!(is_language("ar") && is_language("zu"));
        assert!(!is_language("arz") && !is_language("") && !is_language("xx") && !is_language("a"));
    }
}

//! Letters and function words that tell neighbouring languages apart.

use whatlang::Lang;

use super::words::{ARABIC, CYRILLIC, DEVANAGARI, HEBREW, LATIN, Words};
use crate::text::fold::fold_str;

/// What letters and function words say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Evidence {
    /// The language, when they say anything.
    pub code: Option<&'static str>,
    /// How strongly, between 0 and 1.
    pub strength: f32,
    /// When they leave several languages: these.
    pub candidates: Vec<&'static str>,
}

/// Looks at the script of most letters, and asks its rules.
pub(super) fn of(text: &str) -> Evidence {
    let mut counts = [0usize; 5];
    let mut letters = 0;
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        match c {
            '\u{41}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => counts[0] += 1,
            '\u{400}'..='\u{52F}' => counts[1] += 1,
            '\u{590}'..='\u{5FF}' => counts[2] += 1,
            '\u{620}'..='\u{6FF}' | '\u{750}'..='\u{77F}' => counts[3] += 1,
            '\u{900}'..='\u{97F}' => counts[4] += 1,
            _ => {}
        }
    }
    let most = (0..5)
        .max_by_key(|&at| counts[at])
        .filter(|&at| counts[at] * 2 > letters);
    match most {
        Some(0) => latin(text),
        Some(1) => cyrillic(text),
        Some(2) => hebrew(text),
        Some(3) => arabic(text),
        Some(4) => vote(text, DEVANAGARI),
        _ => Evidence::default(),
    }
}

/// Languages that no text of some length is in without a letter of theirs.
pub(super) fn impossible(text: &str) -> Vec<Lang> {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let rules: [(&[Lang], &str, usize); 4] = [
        (&[Lang::Srp, Lang::Mkd], "ђћљњџјѓќѕЂЋЉЊЏЈЃЌЅ", 20),
        (&[Lang::Ukr, Lang::Bel], "іїєґўІЇЄҐЎ", 30),
        (&[Lang::Bul], "ъЪ", 80),
        (&[Lang::Aze], "əƏ", 20),
    ];
    let mut denied: Vec<Lang> = rules
        .iter()
        .filter(|(_, own, least)| letters >= *least && count(text, own) == 0)
        .flat_map(|(langs, _, _)| langs.iter().copied())
        .collect();
    // Short Bulgarian may lack ъ, but then it has one of these.
    let bulgarian = ["се", "са", "е", "че", "ще", "това", "към", "със"];
    let lower = text.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphabetic());
    if letters >= 25 && !lower.contains('ъ') && !words.any(|word| bulgarian.contains(&word)) {
        denied.push(Lang::Bul);
    }
    denied
}

fn sure(code: &'static str, strength: f32) -> Evidence {
    Evidence {
        code: Some(code),
        strength,
        candidates: Vec::new(),
    }
}

fn count(text: &str, letters: &str) -> usize {
    text.chars().filter(|&c| letters.contains(c)).count()
}

/// Letters of one alphabet only; Russian is what has ы, э, ё and none of the others' letters.
fn cyrillic(text: &str) -> Evidence {
    let text = &text.to_lowercase();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let (russian, ukrainian) = (count(text, "ыэёъ"), count(text, "іїєґ"));
    let kazakh = count(text, "әқңғұүөһ");
    let tajik = count(text, "ӣӯҷҳ");
    let serbian = count(text, "ђћљњџј");
    let macedonian = count(text, "ѓќѕ");
    // A foreign name in the text must not decide: its letters are few.
    let few = letters / 100 + 1;
    if tajik >= few {
        return sure("tg", 0.9);
    }
    if kazakh > few && kazakh * 2 > ukrainian {
        // Kyrgyz has only ң ө ү of these, Mongolian only ө ү.
        let code = match (count(text, "әқғұһі"), count(text, "ң")) {
            (1.., _) => "kk",
            (0, 1..) => "ky",
            (0, 0) => "mn",
        };
        return sure(code, 0.9);
    }
    if count(text, "ў") >= 1 && ukrainian > 0 && count(text, "їєґ") < few {
        return sure("be", 0.95);
    }
    if ukrainian >= few && ukrainian > russian {
        return sure("uk", 0.95);
    }
    if macedonian >= few {
        return sure("mk", 0.9);
    }
    if serbian >= few {
        // ј, љ, њ and џ are Macedonian, too; ђ and ћ are Serbian only.
        let code = if count(text, "ђћ") > 0 {
            "sr"
        } else {
            return vote(text, CYRILLIC);
        };
        return sure(code, 0.9);
    }
    if count(text, "ыэё") > 0 && ukrainian == 0 {
        return sure("ru", if russian >= few { 0.95 } else { 0.7 });
    }
    let words = vote(text, CYRILLIC);
    // A few words that could be anything are Russian more often than not.
    let short = letters < 25 && ukrainian + count(text, "ъ") == 0;
    if words.code.is_none() && short {
        sure("ru", 0.4)
    } else {
        words
    }
}

fn hebrew(text: &str) -> Evidence {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let yiddish = count(text, "װױײ") * 20 > letters;
    let words = vote(text, HEBREW);
    if yiddish {
        sure("yi", 0.9)
    } else {
        words.code.map_or(sure("he", 0.9), |_| words)
    }
}

/// Letters of one alphabet first, function words second. Arabic is often typed with the
/// Persian forms of yeh and kaf, so those two letters decide nothing.
fn arabic(text: &str) -> Evidence {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let few = letters / 60 + 1;
    let urdu = count(text, "ٹڈڑںےہۓ");
    let pashto = count(text, "ټډړښږځڅڼېۍ");
    let kurdish = count(text, "ڕڵێۆە");
    let uyghur = count(text, "ۇۈۋې");
    let sindhi = count(text, "ٻڀٺٽڄڃڇڊڌڍڏڦڪڱڳڻ");
    let most = urdu.max(pashto).max(kurdish).max(uyghur).max(sindhi);
    if most >= few {
        let code = match most {
            n if n == sindhi => "sd",
            n if n == uyghur && uyghur > kurdish / 2 && count(text, "ۇ") > 0 => "ug",
            n if n == kurdish => "ku",
            n if n == pashto => "ps",
            _ => "ur",
        };
        return sure(code, 0.95);
    }
    let hits = count_words(text, ARABIC, |word| {
        // The article, alone or behind a conjunction or preposition.
        let rest = word.strip_prefix(['و', 'ف', 'ب', 'ك']).unwrap_or(word);
        let long = word.chars().count() > 4;
        (long && (rest.starts_with("ال") || word.starts_with("لل"))).then_some("ar")
    });
    let words = decide(&hits, ARABIC, 1);
    let persian = count(text, "پچژگ");
    let arabic = count(text, "ةىأإ");
    let code = match (words.code, persian, arabic) {
        (Some(code), _, _) => code,
        (None, 1.., 0) => "fa",
        (None, 0, 1..) => "ar",
        _ => return Evidence::default(),
    };
    sure(
        code,
        if words.code.is_some() {
            words.strength
        } else {
            0.6
        },
    )
}

/// Letters that only these languages, of those that share Latin letters, use often.
const LATIN_LETTERS: &[(&str, &str)] = &[
    ("de", "ß"),
    ("es", "ñ¿¡"),
    ("pt", "ãõ"),
    ("tr", "ğış"),
    ("az", "ə"),
    ("pl", "ąęłśżź"),
    ("cs", "ěřů"),
    ("ro", "țș"),
    ("hu", "őű"),
    ("vi", "ạảấầậắằặđệễểịọộơờởợụưứừử"),
    ("hr", "đć"),
];

/// Function words, and letters of one language, which count twice.
fn latin(text: &str) -> Evidence {
    let mut hits = count_words(text, LATIN, |_| None);
    let text = text.to_lowercase();
    for (hit, (code, _)) in hits.iter_mut().zip(LATIN) {
        for (_, letters) in LATIN_LETTERS.iter().filter(|(of, _)| of == code) {
            *hit += 2 * count(&text, letters).min(4);
        }
    }
    if text.contains('ə') {
        // Azerbaijani shares the other letters of Turkish.
        LATIN
            .iter()
            .zip(&mut hits)
            .filter(|((of, _), _)| *of == "tr")
            .for_each(|(_, hit)| *hit = 0);
    }
    decide(&hits, LATIN, 2)
}

fn vote(text: &str, words: Words) -> Evidence {
    decide(&count_words(text, words, |_| None), words, 1)
}

/// How many function words of each language there are among the first 600 words.
fn count_words(
    text: &str,
    words: Words,
    extra: impl Fn(&str) -> Option<&'static str>,
) -> Vec<usize> {
    let mut hits = vec![0; words.len()];
    let folded = fold_str(text);
    let lists: Vec<Vec<String>> = words
        .iter()
        .map(|(_, list)| list.split(' ').map(fold_str).collect())
        .collect();
    let splits = |c: char| {
        !c.is_alphabetic() && (c.is_ascii() || !unicode_normalization::char::is_combining_mark(c))
    };
    for word in folded
        .split(splits)
        .filter(|word| !word.is_empty())
        .take(600)
    {
        let more = extra(word);
        for ((hit, list), (code, _)) in hits.iter_mut().zip(&lists).zip(words) {
            *hit += usize::from(list.iter().any(|it| it == word) || more == Some(*code));
        }
    }
    hits
}

/// The language with clearly the most hits, at least `least` more than any other, wins; the
/// strength is a tenth for each hit of its lead, up to 1. Otherwise those that are close to
/// the most remain candidates.
fn decide(hits: &[usize], words: Words, least: usize) -> Evidence {
    let most = hits.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return Evidence::default();
    }
    // The first of equals, since the most common languages come first.
    let best = hits.iter().position(|&hit| hit == most).unwrap_or(0);
    let others = hits.iter().enumerate().filter(|&(at, _)| at != best);
    let second = others.map(|(_, &hit)| hit).max().unwrap_or(0);
    // Close relatives share function words; a narrow lead says little.
    if most - second >= least && most > second + second / 4 {
        return sure(words[best].0, ((most - second) as f32 / 10.0).min(1.0));
    }
    let close = (most - most / 4).min(most - 1).max(1);
    let candidates = words
        .iter()
        .zip(hits)
        .filter(|&(_, &hit)| hit >= close)
        .map(|((code, _), _)| *code)
        .collect();
    Evidence {
        candidates,
        ..Evidence::default()
    }
}

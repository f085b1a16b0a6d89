//! Letters and function words that tell neighbouring languages apart.

use whatlang::Lang;

use crate::text::fold::fold_str;

/// What letters and function words say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Evidence {
    /// The language, when they say anything.
    pub code: Option<&'static str>,
    /// How strongly, between 0 and 1.
    pub strength: f32,
}

const NONE: Evidence = Evidence {
    code: None,
    strength: 0.0,
};

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
        Some(0) => vote(text, LATIN, 2),
        Some(1) => cyrillic(text),
        Some(2) => hebrew(text),
        Some(3) => arabic(text),
        Some(4) => vote(text, DEVANAGARI, 1),
        _ => NONE,
    }
}

/// Languages in Cyrillic letters that no text of some length is in without a letter of theirs.
pub(super) fn impossible(text: &str) -> Vec<Lang> {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let rules: [(&[Lang], &str, usize); 3] = [
        (&[Lang::Srp, Lang::Mkd], "ђћљњџјѓќѕЂЋЉЊЏЈЃЌЅ", 20),
        (&[Lang::Ukr, Lang::Bel], "іїєґўІЇЄҐЎ", 30),
        (&[Lang::Bul], "ъЪ", 80),
    ];
    rules
        .iter()
        .filter(|(_, own, least)| letters >= *least && count(text, own) == 0)
        .flat_map(|(langs, _, _)| langs.iter().copied())
        .collect()
}

fn sure(code: &'static str, strength: f32) -> Evidence {
    Evidence {
        code: Some(code),
        strength,
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
        // Kyrgyz has only ң ө ү of these.
        let kyrgyz = count(text, "әқғұһі") == 0;
        return sure(if kyrgyz { "ky" } else { "kk" }, 0.9);
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
            return vote(text, CYRILLIC, 1);
        };
        return sure(code, 0.9);
    }
    if count(text, "ыэё") >= few && ukrainian == 0 {
        return sure("ru", 0.95);
    }
    let words = vote(text, CYRILLIC, 1);
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
    let words = vote(text, HEBREW, 1);
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
    let words = vote_words(text, ARABIC, |word| {
        // The article, alone or behind a conjunction or preposition.
        let rest = word.strip_prefix(['و', 'ف', 'ب', 'ك']).unwrap_or(word);
        let long = word.chars().count() > 4;
        (long && (rest.starts_with("ال") || word.starts_with("لل"))).then_some("ar")
    });
    let persian = count(text, "پچژگ");
    let arabic = count(text, "ةىأإ");
    let code = match (words.code, persian, arabic) {
        (Some(code), _, _) => code,
        (None, 1.., 0) => "fa",
        (None, 0, 1..) => "ar",
        _ => return NONE,
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

/// Codes of languages, and function words of each.
type Words = &'static [(&'static str, &'static str)];

const ARABIC: Words = &[
    (
        "ar",
        "في من على إلى أن عن مع هذا هذه التي الذي ما لا لم لن كان كل بين بعد ولا وقد هو هي ذلك نحن إن قد ليس",
    ),
    (
        "fa",
        "در به از که این را است با برای می های آن شد کرد خود ما نیست باید هم یک بر تا کشور ها شده بود اند",
    ),
    ("ur", "ہے کے کی میں اور سے کو کا نے پر ہیں یہ کہ نہیں تھا"),
];
const HEBREW: Words = &[
    (
        "he",
        "של את על לא הוא היא זה כי עם אל גם אבל יש אין כל אנחנו",
    ),
    ("yi", "און איז דער די פון אין דאס צו נישט מיט אויף האט זיך"),
];
const CYRILLIC: Words = &[
    (
        "ru",
        "и в не на что с это по как но для из от за мы против его их или если был у к",
    ),
    (
        "uk",
        "і в не на що з це та як але для від за ми проти його їх або якщо був у до й ні",
    ),
    ("be", "і ў не на што з гэта як але для ад за мы супраць яго"),
    (
        "bg",
        "и в не на че с това да за от са е се ще като но срещу ние към който",
    ),
    (
        "sr",
        "и у не на да је су се за од са али то као који против није ће",
    ),
    (
        "mk",
        "и во не на дека со ова да за од се е ќе како но против ние кој",
    ),
];
const DEVANAGARI: Words = &[
    ("hi", "है के में की का से को हैं ने और नहीं यह पर भी कि था हम"),
    ("mr", "आहे आणि या हे होते नाही आहेत च्या मध्ये केली केले आम्ही ते हा ही"),
    ("ne", "छ को का ले हो छन् पनि गरेको यो भने मा लाई छैन हामी र"),
];
const LATIN: Words = &[
    (
        "en",
        "the of and to in is that for it with are was this not has have its be by on we they must should will from their who against",
    ),
    (
        "de",
        "der die das und ist nicht ein eine mit für auf den von zu im sich dem auch wir werden hat sind gegen dass",
    ),
    (
        "fr",
        "le la les des et est une un du que qui dans pour pas sur avec ce sont au nous il contre ne",
    ),
    (
        "es",
        "el la los las de que y en un una es por con no para del se su al más pero contra",
    ),
    (
        "pt",
        "o a os as de que e em um uma é por com não para do da no na se mais mas contra",
    ),
    (
        "it",
        "il la gli di che e in un una è per con non del della si sono più ma contro nel i",
    ),
    (
        "nl",
        "de het een en van is niet dat met voor op zijn ook wij er aan tegen te maar",
    ),
    (
        "tr",
        "ve bir bu için ile da de değil olarak çok daha ama karşı gibi olan var ne biz her",
    ),
    (
        "az",
        "və bir bu üçün ilə da də deyil olaraq çox daha amma qarşı kimi olan",
    ),
    (
        "pl",
        "i w nie na się z do to że jest o od jak ale dla przez przeciwko są po",
    ),
    (
        "cs",
        "a v ne na se z do to že je o od jak ale pro proti jsou není po by",
    ),
    (
        "sk",
        "a v nie na sa z do to že je o od ako ale pre proti sú po by",
    ),
    (
        "ro",
        "și de la în nu este un o că cu pe din pentru care sunt dar împotriva mai",
    ),
    (
        "hu",
        "a az és nem hogy is egy ez van de meg ellen mint csak már",
    ),
    (
        "sv",
        "och att det är en ett som på av för med inte den till har mot vi",
    ),
    (
        "da",
        "og at det er en et som på af for med ikke den til har mod vi",
    ),
    (
        "no",
        "og at det er en et som på av for med ikke den til har mot vi",
    ),
    (
        "fi",
        "ja on ei että se oli ovat mutta kun myös vastaan joka hän me",
    ),
    (
        "hr",
        "i u ne na da je su se za od s ali to kao koji protiv nije će",
    ),
    (
        "id",
        "yang dan di dengan untuk tidak dari ini itu dalam pada adalah akan kami terhadap ke",
    ),
    (
        "ca",
        "el la els les de que i en un una és per amb no del més però contra",
    ),
    (
        "vi",
        "và của là không có được trong cho với những các này một",
    ),
];

fn vote(text: &str, words: Words, least: usize) -> Evidence {
    let found = vote_words(text, words, |_| None);
    if found.strength * 10.0 < least as f32 {
        NONE
    } else {
        found
    }
}

/// Counts function words; the language with clearly the most hits wins. The strength is a
/// tenth for each hit that it has more than the next, up to 1.
fn vote_words(text: &str, words: Words, extra: impl Fn(&str) -> Option<&'static str>) -> Evidence {
    let mut hits = vec![0usize; words.len()];
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
    let best = (0..hits.len()).max_by_key(|&at| hits[at]);
    let Some(best) = best.filter(|&at| hits[at] > 0) else {
        return NONE;
    };
    let second = (0..hits.len())
        .filter(|&at| at != best)
        .map(|at| hits[at])
        .max()
        .unwrap_or(0);
    let lead = hits[best] - second;
    // Close relatives share function words; a narrow lead says nothing.
    if lead == 0 || hits[best] < second + second / 4 + 1 {
        return NONE;
    }
    Evidence {
        code: Some(words[best].0),
        strength: (lead as f32 / 10.0).min(1.0),
    }
}

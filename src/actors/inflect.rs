//! Case forms of Cyrillic names, and names without their accents.
//!
//! A light rule, not a morphology: the ending of a word decides its forms. A name of several
//! words yields the forms in which all words share a case ("Владимира Путина", "Соединённых
//! Штатов") and those in which only the first one changes ("Совета Безопасности ООН"). Words
//! in capitals (США) and words in Latin letters or with digits stay as they are. What the
//! rule gets wrong are forms that no text contains, which costs nothing.

use unicode_normalization::UnicodeNormalization;

use super::canon::canon_str;

/// The six cases, each with up to two forms; index 0 is the word itself.
type Cases = [Vec<String>; 6];

/// The comparable forms of a name in Cyrillic script, the name itself first.
pub(super) fn cyrillic_forms(name: &str, ukrainian: bool) -> Vec<String> {
    let canonical = canon_str(name);
    let mut forms = vec![canonical.clone()];
    let originals: Vec<&str> = name
        .split(|c: char| c.is_whitespace() || c == '-')
        .filter(|word| !word.is_empty())
        .collect();
    let words: Vec<&str> = canonical.split(' ').collect();
    if originals.len() != words.len() || words.len() > 6 {
        return forms;
    }
    let cases: Vec<Cases> = words
        .iter()
        .zip(&originals)
        .map(|(word, original)| decline(word, original, ukrainian))
        .collect();
    for case in 1..6 {
        let mut together = vec![String::new()];
        for word in &cases {
            together = together
                .iter()
                .flat_map(|start| {
                    word[case].iter().map(move |form| {
                        if start.is_empty() {
                            form.clone()
                        } else {
                            format!("{start} {form}")
                        }
                    })
                })
                .take(8)
                .collect();
        }
        forms.append(&mut together);
        if let [first, rest @ ..] = &words[..]
            && !rest.is_empty()
            && first.chars().count() > 2
        {
            forms.extend(
                cases[0][case]
                    .iter()
                    .map(|form| format!("{form} {}", rest.join(" "))),
            );
        }
    }
    forms.sort_unstable();
    forms.dedup();
    let at = forms
        .iter()
        .position(|form| *form == canonical)
        .unwrap_or(0);
    forms.swap(0, at);
    forms
}

/// Ending to cut off, then the endings of genitive, dative, accusative, instrumental and
/// locative; alternatives are separated by `/`, and `0` is no ending.
type Rule = (&'static str, [&'static str; 5]);

/// The first rule whose ending fits applies.
const RUSSIAN: &[Rule] = &[
    ("ова", ["овой/овы", "овой/ове", "ову", "овой", "овой/ове"]),
    ("ева", ["евой/евы", "евой/еве", "еву", "евой", "евой/еве"]),
    ("ская", ["ской", "ской", "скую", "ской", "ской"]),
    ("ая", ["ой", "ой", "ую", "ой", "ой"]),
    ("яя", ["ей", "ей", "юю", "ей", "ей"]),
    ("ое", ["ого", "ому", "ое", "ым/им", "ом"]),
    ("ее", ["его", "ему", "ее", "им", "ем"]),
    ("ые", ["ых", "ым", "ые/ых", "ыми", "ых"]),
    ("ские", ["ских", "ским", "ские/ских", "скими", "ских"]),
    ("ие", ["ия", "ию", "ие", "ием", "ии"]),
    ("ский", ["ского", "скому", "ского/ский", "ским", "ском"]),
    ("цкий", ["цкого", "цкому", "цкого", "цким", "цком"]),
    ("ний", ["него", "нему", "него/ний", "ним", "нем"]),
    ("кий", ["кого", "кому", "кого/кий", "ким", "ком"]),
    ("ый", ["ого", "ому", "ого/ый", "ым", "ом"]),
    ("ой", ["ого", "ому", "ого/ой", "ым", "ом"]),
    ("ия", ["ии", "ии", "ию", "ией", "ии"]),
    ("ья", ["ьи", "ье", "ью", "ьей", "ье"]),
    ("я", ["и", "е", "ю", "ей", "е"]),
    ("ий", ["ия", "ию", "ия/ий", "ием", "ии"]),
    ("й", ["я", "ю", "я/й", "ем", "е"]),
    ("ка", ["ки", "ке", "ку", "кой", "ке"]),
    ("га", ["ги", "ге", "гу", "гой", "ге"]),
    ("ха", ["хи", "хе", "ху", "хой", "хе"]),
    ("жа", ["жи", "же", "жу", "жей", "же"]),
    ("ша", ["ши", "ше", "шу", "шей", "ше"]),
    ("ча", ["чи", "че", "чу", "чей", "че"]),
    ("а", ["ы", "е", "у", "ой", "е"]),
    ("ь", ["я/и", "ю/и", "я/ь", "ем/ью", "е/и"]),
    ("ство", ["ства", "ству", "ство", "ством", "стве"]),
    ("ы", ["ов", "ам", "ы", "ами", "ах"]),
    ("ов", ["ова", "ову", "ова/ов", "овым/овом", "ове"]),
    ("ев", ["ева", "еву", "ева/ев", "евым/евом", "еве"]),
    ("ин", ["ина", "ину", "ина/ин", "иным/ином", "ине"]),
    ("ец", ["ца", "цу", "ца", "цем", "це"]),
];

const UKRAINIAN: &[Rule] = &[
    ("ова", ["ової", "овій", "ову", "овою", "овій"]),
    ("ева", ["евої", "евій", "еву", "евою", "евій"]),
    ("ічна", ["ічної", "ічній", "ічну", "ічною", "ічній"]),
    ("енна", ["енної", "енній", "енну", "енною", "енній"]),
    ("ька", ["ької", "ькій", "ьку", "ькою", "ькій"]),
    ("ія", ["ії", "ії", "ію", "ією", "ії"]),
    ("ка", ["ки", "ці", "ку", "кою", "ці"]),
    ("га", ["ги", "зі", "гу", "гою", "зі"]),
    ("ха", ["хи", "сі", "ху", "хою", "сі"]),
    ("а", ["и", "і", "у", "ою", "і"]),
    ("я", ["і", "і", "ю", "ею", "і"]),
    ("ий", ["ого", "ому", "ого/ий", "им", "ому"]),
    ("й", ["я", "ю/єві", "я/й", "єм", "ї"]),
    ("ь", ["я/і", "ю/еві", "я/ь", "ем/ю", "і"]),
    ("о", ["а", "у/ові", "а/о", "ом", "ові"]),
    ("ття", ["ття", "ттю", "ття", "ттям", "тті"]),
    ("е", ["ого", "ому", "е", "им", "ому"]),
    ("и", ["ів", "ам", "и", "ами", "ах"]),
    ("ов", ["ова", "ову/ові", "ова", "овим", "ові"]),
    ("ев", ["ева", "еву/еві", "ева", "евим", "еві"]),
    ("ін", ["іна", "іну/інові", "іна", "іним", "іні"]),
];

/// A word that ends in a consonant: none of the rules above.
const RUSSIAN_CONSONANT: Rule = ("", ["а", "у", "а/0", "ом/ем", "е"]);
const UKRAINIAN_CONSONANT: Rule = ("", ["а/у", "у/ові", "а/0", "ом", "і/ові"]);

/// The cases of one comparable word.
fn decline(word: &str, original: &str, ukrainian: bool) -> Cases {
    let fixed = || std::array::from_fn(|_| vec![word.to_owned()]);
    let cyrillic = |c: char| ('\u{0400}'..='\u{052F}').contains(&c);
    let capitals = original.chars().count() > 1 && !original.chars().any(char::is_lowercase);
    if capitals || word.chars().count() < 3 || !word.chars().all(cyrillic) {
        return fixed();
    }
    let (rules, consonant) = if ukrainian {
        (UKRAINIAN, &UKRAINIAN_CONSONANT)
    } else {
        (RUSSIAN, &RUSSIAN_CONSONANT)
    };
    let vowel = |c: char| "аеиоуыэюяіїєй".contains(c);
    let rule = match rules.iter().find(|(ending, _)| word.ends_with(ending)) {
        Some(rule) => rule,
        None if word.ends_with(vowel) => return fixed(),
        None => consonant,
    };
    let stem = &word[..word.len() - rule.0.len()];
    let mut cases: Cases = fixed();
    for (case, endings) in rule.1.iter().enumerate() {
        cases[case + 1] = endings
            .split('/')
            .map(|ending| format!("{stem}{}", if ending == "0" { "" } else { ending }))
            .collect();
    }
    cases
}

/// A comparable Latin name without its accents, if it has any and stays long enough to be
/// told from other words.
pub(super) fn without_accents(name: &str) -> Option<String> {
    const MIN_LETTERS: usize = 5;
    if name.is_ascii() || name.chars().any(|c| c.is_alphabetic() && !is_latin(c)) {
        return None;
    }
    let plain: String = name
        .nfd()
        .filter(|&c| !unicode_normalization::char::is_combining_mark(c))
        .map(|c| match c {
            'ø' => 'o',
            'ł' => 'l',
            'đ' => 'd',
            other => other,
        })
        .collect();
    let plain = plain
        .replace('ß', "ss")
        .replace('æ', "ae")
        .replace('œ', "oe");
    (plain != name && plain.chars().filter(|c| c.is_alphabetic()).count() >= MIN_LETTERS)
        .then_some(plain)
}

/// A comparable Devanagari name without the dots below its letters, which Hindi is often written
/// without (फ्रांस for फ़्रांस), if it has any.
pub(super) fn without_nuktas(name: &str) -> Option<String> {
    const NUKTA: char = '\u{93C}';
    name.contains(NUKTA).then(|| name.replace(NUKTA, ""))
}

/// Whether a letter is Latin.
pub(super) fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic()
        || ('\u{00C0}'..='\u{024F}').contains(&c)
        || ('\u{1E00}'..='\u{1EFF}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn russian_cases() {
        for (name, forms) in [
            ("Россия", vec!["россии", "россию", "россией"]),
            ("Путин", vec!["путина", "путину", "путиным", "путине"]),
            (
                "Владимир Путин",
                vec!["владимира путина", "владимиру путину", "владимиром путиным"],
            ),
            (
                "Соединённые Штаты",
                vec![
                    "соединенных штатов",
                    "соединенным штатам",
                    "соединенными штатами",
                ],
            ),
            ("Сергей Лавров", vec!["сергея лаврова", "сергеем лавровым"]),
            ("Мария Захарова", vec!["марии захаровой", "марию захарову"]),
            (
                "Исламское государство",
                vec!["исламского государства", "исламским государством"],
            ),
            ("Совет Безопасности ООН", vec!["совета безопасности оон"]),
            ("Израиль", vec!["израиля", "израилю", "израилем"]),
            ("Меркель", vec!["меркель"]),
            (
                "Европейский союз",
                vec!["европейского союза", "европейским союзом"],
            ),
        ] {
            let found = cyrillic_forms(name, false);
            for form in forms {
                assert!(
                    found.iter().any(|f| f == form),
                    "{name}: {form} not in {found:?}"
                );
            }
        }
        assert_eq!(cyrillic_forms("США", false), ["сша"]);
    }

    #[test]
    fn ukrainian_cases() {
        for (name, forms) in [
            ("Росія", vec!["росії", "росію", "росією"]),
            ("Америка", vec!["америки", "америці", "америку"]),
            ("Порошенко", vec!["порошенка", "порошенку", "порошенком"]),
            (
                "Володимир Зеленський",
                vec!["володимира зеленського", "володимиру зеленському"],
            ),
            ("Путін", vec!["путіна", "путіну", "путіним"]),
        ] {
            let found = cyrillic_forms(name, true);
            for form in forms {
                assert!(
                    found.iter().any(|f| f == form),
                    "{name}: {form} not in {found:?}"
                );
            }
        }
    }

    #[test]
    fn accents() {
        assert_eq!(without_accents("türkiye").as_deref(), Some("turkiye"));
        assert_eq!(without_accents("erdoğan").as_deref(), Some("erdogan"));
        assert_eq!(without_accents("omã"), None);
        assert_eq!(without_accents("iran"), None);
        assert_eq!(without_accents("россия"), None);
    }
}

use super::*;
use crate::error::ErrorCode;

#[test]
fn short_sentences_of_neighbours() {
    let mut wrong = Vec::new();
    for (code, text) in [
        ("ar", "أعلنت الأمم المتحدة أن المؤتمر سيعقد في جنيف"),
        ("ar", "یوم القدس العالمی فی اخر جمعة من شهر رمضان المبارک"),
        ("ar", "تركيا عدو السلام"),
        ("fa", "ایران باید از توافق هسته‌ای خارج شود"),
        ("fa", "سازمان ملل متحد در این بحران نقش مهمی دارد"),
        ("fa", "ترکیه به دنبال جنگ است"),
        ("ur", "پاکستان کے وزیر اعظم نے کہا ہے کہ مذاکرات جاری ہیں"),
        ("ps", "د افغانستان حکومت وویل چې سوله ښه ده"),
        ("ku", "حکومەتی هەرێمی کوردستان لەگەڵ بەغدا ڕێککەوت"),
        ("ru", "Россия выступает против расширения НАТО на восток"),
        ("ru", "Турция не права"),
        ("uk", "Україна не відмовиться від своєї території"),
        ("uk", "Росія має вийти з України"),
        (
            "be",
            "Беларусь падтрымлівае гэтую прапанову, але ўрад маўчыць",
        ),
        (
            "bg",
            "България ще подкрепи решението на Европейския съюз срещу Русия",
        ),
        (
            "sr",
            "Србија неће увести санкције Русији, рекао је председник",
        ),
        (
            "mk",
            "Македонија ќе го поддржи предлогот на Европската унија",
        ),
        ("kk", "Қазақстан бұл ұсынысты қолдайды"),
        ("hi", "भारत को संयुक्त राष्ट्र में सुधार की मांग करनी चाहिए"),
        ("mr", "भारत आणि चीन यांच्यातील चर्चा यशस्वी झाली नाही"),
        ("ne", "नेपाल सरकारले यो प्रस्तावलाई समर्थन गरेको छ"),
        ("he", "ישראל לא תסכים להסכם הזה עם איראן"),
        ("en", "The European Union must stop the war"),
        ("en", "NATO is right to support Ukraine"),
        ("de", "Die NATO ist nicht das Problem in diesem Krieg"),
        (
            "fr",
            "La Turquie ne doit pas entrer dans l'Union européenne",
        ),
        ("es", "La ONU no puede ignorar lo que pasa en Siria"),
        ("pt", "O Brasil não deve apoiar as sanções contra a Rússia"),
        ("it", "L'Italia non è contro il governo di Ankara"),
        ("tr", "Türkiye bu karar için Rusya ile görüşecek"),
        ("az", "Azərbaycan və Türkiyə bu məsələdə birlikdədir"),
        ("pl", "Polska nie zgadza się na tę decyzję Rosji"),
        ("nl", "Nederland is niet voor het plan van de Europese Unie"),
        (
            "id",
            "Indonesia mendukung keputusan yang dibuat oleh PBB untuk Palestina",
        ),
        ("zh", "联合国应该谴责这次袭击"),
        ("ja", "日本は国連の決定を支持する"),
        ("ko", "한국은 이 결정을 지지한다"),
        ("el", "Η Ελλάδα στηρίζει την απόφαση"),
        ("ka", "საქართველო მხარს უჭერს"),
        ("hy", "Հայաստանը աջակցում է"),
        ("th", "ประเทศไทยสนับสนุนสหประชาชาติ"),
        ("am", "ኢትዮጵያ ሰላምን ትደግፋለች"),
    ] {
        let guess = identify(text);
        if guess.code != code {
            wrong.push(format!(
                "{text}: {} for {code} ({})",
                guess.code, guess.confidence
            ));
        }
        assert!((0.0..=1.0).contains(&guess.confidence));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn short_is_less_sure_than_long() {
    let sentence = "Россия выступает против расширения НАТО на восток. ";
    assert!(identify("Россия").confidence < 0.3);
    assert!(identify(&sentence.repeat(4)).confidence > 0.9);
}

#[test]
fn without_letters_there_is_no_language() {
    for text in ["", "2024 — 12:30 !!!", "😀 👍"] {
        assert_eq!(identify(text).code, UNDETERMINED);
    }
}

#[test]
fn a_foreign_name_does_not_decide() {
    let text = "Премьер-министр заявил, что решение принято, и подписал его вместе с коллегой по имени Їжакевич в присутствии журналистов, которые ждали этого весь вечер.";
    assert_eq!(identify(text).code, "ru");
}

#[test]
fn codes_are_checked() {
    assert!(codes::ISO_639_1.is_sorted());
    assert_eq!(parse_language(" AR "), Ok("ar"));
    for bad in ["", "und", "xx", "arabic", "eng", "pt-BR"] {
        assert_eq!(parse_language(bad).unwrap_err().code(), "unknown_language");
    }
    for lang in Lang::all() {
        assert_eq!(
            parse_language(codes::code_of(*lang)),
            Ok(codes::code_of(*lang))
        );
    }
    let long = parse_language(&"x".repeat(99)).unwrap_err().to_string();
    assert!(long.contains("field `language`") && long.len() < 120);
}

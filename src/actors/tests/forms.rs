//! Clitics, endings, case, boundaries: what must and what must not be a name.

use super::*;

#[test]
fn arabic_clitic_chains() {
    for (word, span) in [
        ("وسوريا", "سوريا"),
        ("فسوريا", "سوريا"),
        ("بسوريا", "سوريا"),
        ("لسوريا", "سوريا"),
        ("كسوريا", "سوريا"),
        ("وبسوريا", "سوريا"),
        ("فلسوريا", "سوريا"),
        ("سـوريـــا", "سـوريـــا"),
        ("سُورِيَا", "سُورِيَا"),
    ] {
        assert_eq!(found(matcher(), word), [format!("syria={span}")], "{word}");
    }
    for (word, span) in [
        ("العراق", "العراق"),
        ("والعراق", "العراق"),
        ("بالعراق", "العراق"),
        ("وبالعراق", "العراق"),
        ("كالعراق", "العراق"),
        ("للعراق", "عراق"),
        ("فللعراق", "عراق"),
        ("وللعراق", "عراق"),
    ] {
        assert_eq!(found(matcher(), word), [format!("iraq={span}")], "{word}");
    }
}

#[test]
fn arabic_letters_that_are_no_clitics() {
    for text in [
        "قال من في عراق هذا",
        "سعراقي",
        "السوريا",
        "مسوريا",
        "العراقوسوريا",
        "بنقطر",
        "الحماس شديد",
        "سورياني",
    ] {
        assert!(
            found(matcher(), text).is_empty(),
            "{text}: {:?}",
            found(matcher(), text)
        );
    }
}

#[test]
fn lam_swallows_the_article_of_names_in_lam() {
    let registry = Registry::default();
    let spec = crate::document::ActorSpec {
        id: "committee".to_owned(),
        names: vec!["اللجنة الدستورية".to_owned()],
        spans: None,
    };
    let matcher = Matcher::for_specs(&[spec], &registry).unwrap();
    assert_eq!(
        found(&matcher, "دعم للجنة الدستورية"),
        ["committee=لجنة الدستورية"]
    );
    assert_eq!(
        found(&matcher, "دعم اللجنة الدستورية"),
        ["committee=اللجنة الدستورية"]
    );
}

#[test]
fn accusative_with_tanwin_is_the_adjective() {
    assert!(found(matcher(), "أصدر قرارًا سوريًا جديدًا").is_empty());
    assert_eq!(
        found(matcher(), "سوريا تصدر قرارًا سوريًا"),
        ["syria=سوريا", "~syria=سوريًا"]
    );
}

#[test]
fn the_same_letters_are_an_adjective_in_arabic_and_a_state_in_persian() {
    assert!(
        found(
            matcher(),
            "قال المتحدث إن قوات تركية دخلت من الشمال في هذا اليوم"
        )
        .is_empty()
    );
    let persian = found(matcher(), "نیروهای ترکیه از شمال وارد شدند که این است");
    assert_eq!(persian, ["turkey=ترکیه"]);
}

#[test]
fn russian_false_friends() {
    // "того" (of that), "мали" and names inside of longer words.
    for text in [
        "до того как",
        "Того и гляди",
        "россиянка-то ничего",
        "посирийски",
        "ирановедение",
    ] {
        assert!(
            found(matcher(), text).is_empty(),
            "{text}: {:?}",
            found(matcher(), text)
        );
    }
}

#[test]
fn case_tells_names_from_words() {
    for text in [
        "we ate turkey and cranberries",
        "let us talk about who is right",
        "it is an issue in this case",
        "a chad hanging from fine china",
        "un niño y una niña",
        "eu acho que sim",
        "mali estremi, mali rimedi",
        "der kurz gefasste Bericht",
        "a trifling sum of rice and beans",
    ] {
        assert!(
            found(matcher(), text).is_empty(),
            "{text}: {:?}",
            found(matcher(), text)
        );
    }
    assert_eq!(
        found(matcher(), "Turkey warned the US and the WHO"),
        [
            "turkey=Turkey",
            "united-states=US",
            "world-health-organization=WHO"
        ]
    );
}

#[test]
fn lower_case_counts_only_where_nothing_has_capitals() {
    assert_eq!(
        found(matcher(), "putin invades ukraine, lol"),
        ["vladimir-putin=putin", "ukraine=ukraine"]
    );
    assert!(
        found(
            matcher(),
            "The Tiny Island of the Count (conte) and a colombo"
        )
        .is_empty()
    );
    assert!(found(matcher(), "Costs of US$ 350 and US$350").is_empty());
    assert!(found(matcher(), "Il signor conte disse: Sono franca con Voi").is_empty());
}

#[test]
fn headlines_in_capitals() {
    assert_eq!(
        found(matcher(), "TURKEY INVADES SYRIA, PUTIN WARNS"),
        ["turkey=TURKEY", "syria=SYRIA", "vladimir-putin=PUTIN"]
    );
    // In capitals a pronoun looks like the United States.
    assert!(found(matcher(), "TELL US MORE ABOUT WHO COMES").is_empty());
    assert_eq!(found(matcher(), "AMERICANS SAY THE US WILL LEAVE").len(), 2);
}

#[test]
fn words_around_a_name() {
    assert_eq!(
        found(matcher(), "#Syria @realDonaldTrump"),
        ["syria=Syria", "donald-trump=realDonaldTrump"]
    );
    assert_eq!(
        found(matcher(), "anti-Israel, pro-Hamas"),
        ["israel=Israel", "hamas=Hamas"]
    );
    assert!(found(matcher(), "Syriana Iranistan Russiagate").is_empty());
    assert_eq!(found(matcher(), "the G20 and G7"), ["g20=G20", "g7=G7"]);
    assert!(found(matcher(), "LG20 G200").is_empty());
}

#[test]
fn names_over_line_ends_but_not_over_paragraphs() {
    assert_eq!(
        found(matcher(), "the United\n  Nations"),
        ["united-nations=United\n  Nations"]
    );
    assert!(found(matcher(), "United\n\nNations").is_empty());
    assert_eq!(
        found(matcher(), "the United\u{a0}States"),
        ["united-states=United\u{a0}States"]
    );
}

#[test]
fn phrases_that_are_no_actors() {
    for text in [
        "in New Mexico and Latin America",
        "Michael Jordan scored",
        "مسقط رأسه في الجنوب",
        "نهر الأردن",
        "Paris Saint-Germain won",
        "the South China Sea",
        "马里兰州",
    ] {
        assert!(
            found(matcher(), text).is_empty(),
            "{text}: {:?}",
            found(matcher(), text)
        );
    }
}

#[test]
fn the_longest_name_wins() {
    assert_eq!(
        found(matcher(), "الجيش السوري الحر"),
        ["free-syrian-army=الجيش السوري الحر"]
    );
    assert_eq!(found(matcher(), "South Korea"), ["south-korea=South Korea"]);
    assert_eq!(
        found(matcher(), "Hafez al-Assad"),
        ["hafez-al-assad=Hafez al-Assad"]
    );
    assert_eq!(
        found(matcher(), "Equatorial Guinea"),
        ["equatorial-guinea=Equatorial Guinea"]
    );
}

#[test]
fn names_without_accents() {
    assert_eq!(
        found(matcher(), "MEXICO Y PERU, DICE LOPEZ OBRADOR")[0],
        "mexico=MEXICO"
    );
    assert_eq!(
        found(matcher(), "Turkiye ve Erdogan"),
        ["turkey=Turkiye", "recep-tayyip-erdogan=Erdogan"]
    );
}

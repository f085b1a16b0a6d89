//! Which mentions count: adjectives, ambiguous names, capitals, loaded names.

use super::*;

#[test]
fn adjectives_support_and_never_create() {
    for text in [
        "the Syrian people",
        "الشعب السوري",
        "сирийский народ",
        "das syrische Volk",
        "Suriyeli",
    ] {
        assert!(
            found(matcher(), text).is_empty(),
            "{text}: {:?}",
            found(matcher(), text)
        );
    }
    assert_eq!(
        found(matcher(), "Syria and the Syrian people"),
        ["syria=Syria", "~syria=Syrian"]
    );
    assert_eq!(
        found(matcher(), "الشعب السوري في سوريا"),
        ["~syria=السوري", "syria=سوريا"]
    );
    assert_eq!(
        found(matcher(), "Сирия и сирийского народа"),
        ["syria=Сирия", "~syria=сирийского"]
    );
}

#[test]
fn ambiguous_names_need_support() {
    assert!(found(matcher(), "Jordan scored twice").is_empty());
    assert_eq!(
        found(matcher(), "Jordan and the Jordanian army"),
        ["jordan=Jordan", "~jordan=Jordanian"]
    );
    assert!(found(matcher(), "الأسد ملك الغابة").is_empty());
    assert_eq!(
        found(matcher(), "بشار الأسد. قال الأسد")[1],
        "bashar-al-assad=الأسد"
    );
    assert!(found(matcher(), "وصل بشار إلى البيت").is_empty());
}

#[test]
fn titles_make_surnames_names() {
    assert_eq!(
        found(matcher(), "Foreign Secretary Hammond said"),
        ["philip-hammond=Hammond"]
    );
    assert!(found(matcher(), "Hammond said").is_empty());
    assert_eq!(
        found(matcher(), "زيارة الرئيس بشار"),
        ["bashar-al-assad=بشار"]
    );
    assert_eq!(
        found(matcher(), "الرئيس الفرنسي هاموند"),
        ["francois-hollande=الرئيس الفرنسي هاموند"]
    );
    // A title in another clause does not count.
    assert!(found(matcher(), "the president, Hammond").is_empty());
}

#[test]
fn one_name_for_two_actors_goes_to_the_supported_one() {
    assert!(found(matcher(), "الكونغو").is_empty());
    assert_eq!(
        found(matcher(), "Kinshasa rejects it: the Congo will not yield"),
        [
            "democratic-republic-of-the-congo=Kinshasa",
            "democratic-republic-of-the-congo=Congo"
        ]
    );
}

#[test]
fn capitals_and_loaded_names_keep_their_flags() {
    let mentions = matcher().find("Moscow blames Washington");
    assert_eq!(mentions.len(), 2);
    assert!(
        mentions
            .iter()
            .all(|mention| mention.capital && !mention.weak)
    );
    let text = "اتهم الكيان الصهيوني";
    let mentions = matcher().find(text);
    assert!(mentions[0].loaded && !mentions[0].capital);
    assert_eq!(matcher().actors()[mentions[0].actor].id, "israel");
}

#[test]
fn restricting_keeps_longer_names_of_others_in_force() {
    let ids = ["syria".to_owned(), "hamas".to_owned()];
    let restricted = Matcher::new(Registry::embedded(), Some(&ids)).unwrap();
    assert_eq!(restricted.actors().len(), 2);
    assert_eq!(
        found(&restricted, "الجيش العربي السوري وحماس وإيران في سوريا"),
        ["hamas=حماس", "syria=سوريا"]
    );
}

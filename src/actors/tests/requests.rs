//! Matchers for the actors of a request, and their errors.

use super::*;
use crate::document::ActorSpec;
use crate::error::ErrorCode;

fn spec(id: &str, names: &[&str]) -> ActorSpec {
    ActorSpec {
        id: id.to_owned(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
        spans: None,
    }
}

fn code(specs: &[ActorSpec]) -> &'static str {
    Matcher::for_specs(specs, Registry::embedded())
        .unwrap_err()
        .code()
}

#[test]
fn own_names_in_any_script() {
    let specs = [
        spec("mayor", &["Anna Lindqvist", "Lindqvist"]),
        spec("club", &["نادي الفجر"]),
        spec("firm", &["Завод Рассвет"]),
        spec("paper", &["晨光日报"]),
        spec("radio", &["קול השחר"]),
    ];
    let matcher = Matcher::for_specs(&specs, Registry::embedded()).unwrap();
    assert!(matcher.is_requested());
    assert_eq!(
        found(&matcher, "Lindqvists plan, says Anna Lindqvist"),
        ["mayor=Lindqvists", "mayor=Anna Lindqvist"]
    );
    assert_eq!(
        found(&matcher, "فاز ونادي الفجر بالكأس"),
        ["club=نادي الفجر"]
    );
    assert_eq!(
        found(&matcher, "директор Завода Рассвета"),
        ["firm=Завода Рассвета"]
    );
    assert_eq!(found(&matcher, "据晨光日报报道"), ["paper=晨光日报"]);
    assert_eq!(found(&matcher, "נאמר בקול השחר"), ["radio=קול השחר"]);
    assert_eq!(matcher.actors()[0].kind, CUSTOM_KIND);
    assert_eq!(matcher.actors()[0].name("fr"), "Anna Lindqvist");
}

#[test]
fn ids_of_the_registry_bring_their_names() {
    let matcher = Matcher::for_specs(
        &[spec("syria", &[]), spec("me", &["Muster"])],
        Registry::embedded(),
    )
    .unwrap();
    assert_eq!(matcher.actors()[0].kind, "state");
    assert_eq!(matcher.actors()[0].query_name("ar", "نص"), "سوريا");
    // Asked for, an adjective alone counts; the army is still another actor.
    assert_eq!(
        found(&matcher, "Muster praised the Syrian people"),
        ["me=Muster", "~syria=Syrian"]
    );
    assert!(found(&matcher, "the Syrian Arab Army").is_empty());
}

#[test]
fn own_names_replace_those_of_the_registry() {
    let matcher =
        Matcher::for_specs(&[spec("syria", &["Damaskus-Regime"])], Registry::embedded()).unwrap();
    assert!(found(&matcher, "Syria").is_empty());
    assert_eq!(
        found(&matcher, "das Damaskus-Regime"),
        ["syria=Damaskus-Regime"]
    );
    assert_eq!(matcher.actors()[0].kind, "state");
}

#[test]
fn own_names_are_not_hidden_by_longer_names_of_the_registry() {
    let matcher = Matcher::for_specs(
        &[spec("obama", &["Obama"]), spec("usa", &["United States"])],
        Registry::embedded(),
    )
    .unwrap();
    assert_eq!(
        found(&matcher, "Barack Obama, United States of America"),
        ["obama=Obama", "usa=United States"]
    );
}

#[test]
fn actors_without_matchable_names_stay() {
    let with_spans = ActorSpec {
        spans: Some(vec![[0, 3]]),
        ..spec("x-1", &[])
    };
    let matcher =
        Matcher::for_specs(&[with_spans, spec("marks", &["!!!"])], Registry::embedded()).unwrap();
    assert_eq!(matcher.actors().len(), 2);
    assert!(matcher.find("anything ??? at all").is_empty());
    assert_eq!(matcher.actors()[0].query_name("en", "text"), "x-1");
}

#[test]
fn errors_of_requests() {
    assert_eq!(code(&[spec("no-such-actor", &[])]), "unknown_actor");
    let empty_spans = ActorSpec {
        spans: Some(Vec::new()),
        ..spec("no-such-actor", &[])
    };
    assert_eq!(code(&[empty_spans]), "unknown_actor");
    assert_eq!(
        code(&[spec("a", &["A"]), spec("a", &["B"])]),
        "duplicate_actor"
    );
    assert_eq!(code(&[spec(" ", &["A"])]), "invalid_actor");
    assert_eq!(code(&[spec("a", &["A", "  "])]), "invalid_actor");
    assert_eq!(
        code(&[spec("a", &[&"x".repeat(MAX_NAME_BYTES + 1)])]),
        "invalid_actor"
    );
    assert_eq!(
        code(&[spec(&"x".repeat(MAX_ID_BYTES + 1), &["A"])]),
        "invalid_actor"
    );
    let many = vec!["name"; MAX_NAMES + 1];
    assert_eq!(code(&[spec("a", &many)]), "invalid_actor");
}

#[test]
fn errors_of_restrictions() {
    let error = |ids: &[&str]| {
        let ids: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
        Matcher::new(Registry::embedded(), Some(&ids)).unwrap_err()
    };
    let unknown = error(&["syriaa", "hamas"]);
    assert_eq!(unknown.code(), "unknown_actor");
    assert!(unknown.to_string().contains("`syriaa`"));
    assert!(
        error(&["vladimir"])
            .to_string()
            .contains("`vladimir-putin`")
    );
    assert_eq!(error(&["hamas", "hamas"]).code(), "duplicate_actor");
}

#[test]
fn no_actors_is_no_error() {
    let matcher = Matcher::for_specs(&[], Registry::embedded()).unwrap();
    assert!(matcher.actors().is_empty() && matcher.find("Syria").is_empty());
}

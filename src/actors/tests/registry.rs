//! Files of users: loading, extending, checking, finding.

use super::*;
use crate::error::ErrorCode;
use std::path::PathBuf;

/// Writes a file into a fresh folder; the folder lives as long as the first value.
fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

const PORT: &str = r#"
[[actor]]
id = "port-authority"
kind = "organisation"
names.en = ["Harbour Board", { text = "Who?", ambiguous = true }]
names.ar = ["هيئة ميناء الفجر"]

[[actor]]
id = "hamas"
kind = "armed_group"
names.en = ["Gaza's rulers"]
"#;

#[test]
fn toml_files_extend_the_registry() {
    let (_folder, path) = file("own.toml", PORT);
    let registry = Registry::load(&[&path]).unwrap();
    assert_eq!(registry.len(), Registry::embedded().len() + 1);
    let own = registry.get("port-authority").unwrap();
    assert_eq!(own.name("ar"), "هيئة ميناء الفجر");
    assert!(own.names["en"][1].ambiguous && own.names["en"][1].text == "Who?");
    let matcher = Matcher::new(&registry, None).unwrap();
    assert_eq!(
        found(&matcher, "The Harbour Board and Gaza's rulers; حماس"),
        [
            "port-authority=Harbour Board",
            "hamas=Gaza's rulers",
            "hamas=حماس"
        ]
    );
}

#[test]
fn json_files_with_plain_lists_of_names() {
    let (_folder, path) = file(
        "own.json",
        r#"{"actors": [{"id": "mill", "kind": "party", "names": ["Old Mill", "Мельница"]}]}"#,
    );
    let registry = Registry::from_files(&[&path]).unwrap();
    assert_eq!(registry.len(), 1);
    let matcher = Matcher::new(&registry, None).unwrap();
    assert_eq!(
        found(&matcher, "Old Mill, у Мельницы"),
        ["mill=Old Mill", "mill=Мельницы"]
    );
    assert_eq!(registry.get("mill").unwrap().name("de"), "Old Mill");
}

#[test]
fn what_is_wrong_has_a_code_and_leaves_the_registry_alone() {
    for (name, text, code) in [
        (
            "a.toml",
            "[[actor]]\nid = \"x\"\nkind = \"planet\"\nnames.en = [\"X1\"]",
            "unknown_kind",
        ),
        (
            "a.toml",
            "[[actor]]\nid = \"x\"\nkind = \"party\"\nnames.xx = [\"X1\"]",
            "unknown_alias_language",
        ),
        (
            "a.toml",
            "[[actor]]\nid = \"x\"\nkind = \"party\"\nnames.en = [\"  \"]",
            "empty_name",
        ),
        (
            "a.toml",
            "[[actor]]\nid = \"x\"\nkind = \"party\"\nnames.en = []",
            "invalid_actor",
        ),
        (
            "a.toml",
            "[[actor]]\nid = \"X Y\"\nkind = \"party\"\nnames.en = [\"Xyz\"]",
            "invalid_actor",
        ),
        (
            "a.toml",
            "[[actor]]\nid = \"x\"\nkind = \"party\"\nwikidata = \"42\"\nnames.en = [\"Xyz\"]",
            "invalid_actor",
        ),
        (
            "a.toml",
            "[[actor]]\nid = \"x\"\nkind = \"party\"\nnames.en = [\"Xyz\"]\n[[actor]]\nid = \"x\"\nkind = \"party\"\nnames.en = [\"Zyx\"]",
            "duplicate_actor",
        ),
        (
            "a.toml",
            "[[actor]]\nid = \"x\"\nkind = \"party\"\nnames.en = [\"Hamas\"]",
            "duplicate_alias",
        ),
        (
            "a.toml",
            "[[actor]]\nid = \"hamas\"\nkind = \"state\"\nnames.en = [\"Xyz\"]",
            "invalid_actor",
        ),
        ("a.toml", "[[actor]\nid = 1", "invalid_registry_file"),
        (
            "a.toml",
            "[[actor]]\nid = \"x\"\nkind = \"party\"\ncolour = 1",
            "invalid_registry_file",
        ),
        ("a.json", "{\"actors\": [", "invalid_registry_file"),
    ] {
        let (_folder, path) = file(name, text);
        let mut registry = Registry::embedded().clone();
        let error = registry.extend(&path).unwrap_err();
        assert_eq!(error.code(), code, "{text}: {error}");
        assert_eq!(registry.len(), Registry::embedded().len());
        let report = check(&path).unwrap();
        assert!(!report.is_ok());
        assert!(
            report
                .problems
                .iter()
                .any(|problem| problem.error.code() == code),
            "{text}"
        );
    }
    assert_eq!(
        Registry::load(&["/no/such/file.toml"]).unwrap_err().code(),
        "unreadable_registry_file"
    );
}

#[test]
fn flagged_names_may_be_shared() {
    let (_folder, path) = file(
        "a.toml",
        "[[actor]]\nid = \"x\"\nkind = \"person\"\nnames.en = [\"Xaver Bush\", \"Bush?\"]",
    );
    assert!(check(&path).unwrap().is_ok());
    // The same name unflagged on our side only.
    let (_folder, path) = file(
        "a.toml",
        "[[actor]]\nid = \"x\"\nkind = \"person\"\nnames.en = [\"Xaver Bush\", \"Bush\"]",
    );
    assert_eq!(
        check(&path).unwrap().problems[0].error.code(),
        "duplicate_alias"
    );
}

#[test]
fn reports_say_where() {
    let text = "[[actor]]\nid = \"one\"\nkind = \"party\"\nnames.en = [\"One\"]\n\n[[actor]]\nid = \"two\"\nkind = \"planet\"\nnames.en = [\n  \"Two\",\n  \"Hamas\",\n]\nnames.qq = [\"Zwei\"]\n";
    let (_folder, path) = file("a.toml", text);
    let report = check(&path).unwrap();
    assert_eq!(report.actors, 2);
    let lines: Vec<(&str, Option<usize>)> = report
        .problems
        .iter()
        .map(|problem| (problem.error.code(), problem.line))
        .collect();
    assert_eq!(
        lines,
        [
            ("unknown_kind", Some(8)),
            ("unknown_alias_language", Some(13))
        ]
    );
    let fixed = text
        .replace("planet", "party")
        .replace("names.qq", "names.de");
    std::fs::write(&path, fixed).unwrap();
    let report = check(&path).unwrap();
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].line, Some(11));
    let (_folder, path) = file("b.toml", "[[actor]]\nid = \"x\"\nkind = party\n");
    assert_eq!(check(&path).unwrap().problems[0].line, Some(3));
}

#[test]
fn finding_ranks_exact_names_first() {
    let first = |text: &str| {
        Registry::embedded()
            .find(text)
            .first()
            .map(|actor| actor.id.clone())
    };
    for (text, id) in [
        ("syria", "syria"),
        ("سوريا", "syria"),
        ("Путин", "vladimir-putin"),
        ("putin", "vladimir-putin"),
        ("الجيش الحر", "free-syrian-army"),
        ("hezb", "hezbollah"),
        ("brotherhood", "muslim-brotherhood"),
        ("united-nations", "united-nations"),
        ("اردوغان", "recep-tayyip-erdogan"),
    ] {
        assert_eq!(first(text).as_deref(), Some(id), "{text}");
    }
    assert!(Registry::embedded().find("zzzz qqqq").is_empty());
    assert!(Registry::embedded().find("  ").is_empty());
    let korea: Vec<&str> = Registry::embedded()
        .find("korea")
        .iter()
        .take(3)
        .map(|actor| actor.id.as_str())
        .collect();
    assert!(
        korea.contains(&"north-korea") && korea.contains(&"south-korea"),
        "{korea:?}"
    );
}

#[test]
fn names_to_show() {
    let syria = Registry::embedded().get("syria").unwrap();
    assert_eq!(
        (syria.name("en"), syria.name("ar"), syria.name("sw")),
        ("Syria", "سوريا", "Syria")
    );
    assert_eq!(
        Registry::embedded()
            .get("united-states")
            .unwrap()
            .name("en"),
        "United States"
    );
    assert!(Registry::embedded().get("nowhere").is_none());
}

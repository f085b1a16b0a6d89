//! `stance actors`.

use serde_json::{Value, json};

use crate::support::{Folder, run};

const OWN: &str = r#"
[[actor]]
id = "city-of-gotham"
kind = "organisation"
names.en = ["Gotham City Council", "Gotham Council"]
"#;

#[test]
fn the_list_has_at_least_250_actors_in_every_format() {
    let list = run(&["actors", "list", "--format", "json"]).code(0).json();
    let actors = list["actors"].as_array().unwrap();
    assert!(actors.len() >= 250, "{}", actors.len());
    assert_eq!(list["total"], actors.len());
    let lines = run(&["actors", "list", "--format", "jsonl"])
        .code(0)
        .lines();
    assert_eq!(&lines, actors);
    let table = run(&["actors", "list"]).code(0);
    assert!(table.out.ends_with(&format!("{} actors\n", actors.len())));
    let states = run(&["actors", "list", "--format", "jsonl", "--kind", "state"])
        .code(0)
        .lines();
    assert!(!states.is_empty() && states.len() < actors.len());
    assert!(states.iter().all(|actor| actor["kind"] == "state"));
    run(&["actors", "list", "--kind", "planet"]).code(2);
}

#[test]
fn actors_are_found_in_any_language() {
    for text in ["Syria", "سوريا", "Сирия"] {
        let found = run(&["actors", "find", text, "--format", "jsonl"])
            .code(0)
            .lines();
        let names: Vec<&Value> = found.iter().map(|actor| &actor["name"]).collect();
        assert!(
            names.iter().any(|name| *name == "Syria"),
            "{text}: {names:?}"
        );
    }
}

#[test]
fn a_file_of_actors_is_checked_and_added() {
    let folder = Folder::new();
    let file = folder.file("own.toml", OWN);
    let checked = run(&["actors", "check", &file]).code(0);
    assert_eq!(
        checked.out,
        format!("{file}: all well, actors: 1, names: 2\n")
    );
    let checked = run(&["actors", "check", &file, "--format", "json"])
        .code(0)
        .json();
    let expected = json!({"file": file, "actors": 1, "names": 2, "problems": []});
    assert_eq!(checked, expected);
    let arguments = [
        "actors",
        "find",
        "Gotham Council",
        "--format",
        "jsonl",
        "--actors",
        &file,
    ];
    assert_eq!(run(&arguments).code(0).lines()[0]["id"], "city-of-gotham");

    let text = "Gotham City Council failed its people again.";
    let arguments = [
        "classify", "--format", "json", "--text", text, "--actors", &file,
    ];
    let answer = run(&arguments).code(0).json();
    assert_eq!(
        answer["results"][0]["stances"][0]["actor"]["id"],
        "city-of-gotham"
    );
}

#[test]
fn a_wrong_file_of_actors_is_named_with_its_error() {
    let folder = Folder::new();
    let wrong = folder.file("wrong.toml", OWN.replace("organisation", "planet"));
    let broken = folder.file("broken.toml", "[[actor]\n");
    let missing = folder.path().join("missing.toml").display().to_string();
    let cases = [
        (&wrong, "unknown_kind", Some(4)),
        (&broken, "invalid_registry_file", Some(1)),
        (&missing, "unreadable_registry_file", None),
    ];
    for (file, code, line) in cases {
        let code = format!("[{code}]");
        let ended = run(&["actors", "check", file]).code(1);
        let said = ended.out.clone() + &ended.err;
        assert!(said.contains(&code), "{said}");
        assert!(
            line.is_none_or(|line| ended.out.contains(&format!("line {line}"))),
            "{said}"
        );
        let ended = run(&["classify", "--text", "a", "--actors", file]).code(1);
        assert!(ended.err.contains(&code), "{}", ended.err);
    }
}

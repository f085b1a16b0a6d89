//! Exit codes, wrong arguments, and readers that leave.

use std::io::Read;
use std::process::Stdio;

use crate::support::{Folder, run, stance};

#[test]
fn wrong_arguments_end_with_2() {
    let cases: [&[&str]; 9] = [
        &["no-such-command"],
        &["classify", "--no-such-flag"],
        &["classify", "--text", "a", "file.txt"],
        &["classify", "--text", "a", "--max-evidence", "51"],
        &["classify", "--text", "a", "--topic-threshold", "1.5"],
        &["classify", "--text", "a", "--label-language", "zz"],
        &["classify", "--text", "a", "--only", "nobody-at-all"],
        &["serve", "--max-documents", "2000"],
        &["serve", "--max-body-bytes", "1GiB"],
    ];
    for arguments in cases {
        let ended = run(arguments).code(2);
        assert!(ended.out.is_empty(), "{arguments:?}: {}", ended.out);
        assert!(!ended.err.is_empty(), "{arguments:?}");
    }
    let ended = run(&["serve", "--max-documents", "2000"]);
    let message = "--max-documents is 2000, which is more than --queue-documents, 1024";
    assert!(ended.err.contains(message), "{}", ended.err);
}

#[test]
fn help_and_version_end_with_0() {
    for arguments in [&["--help"][..], &["--version"], &["classify", "--help"]] {
        let ended = run(arguments).code(0);
        assert!(!ended.out.is_empty());
    }
}

#[test]
fn a_model_that_is_not_there_ends_with_1_and_a_code() {
    let folder = Folder::new();
    let missing = folder.path().join("no-model").display().to_string();
    let ended = run(&["classify", "--text", "a", "--model", &missing]).code(1);
    assert!(ended.err.contains("[unknown_model]"), "{}", ended.err);
    assert!(ended.out.is_empty(), "{}", ended.out);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let folder = Folder::new();
    // Far more output than a pipe holds.
    let line = "{\"text\": \"Paris.\"}\n".repeat(2000);
    let file = folder.file("documents.jsonl", line);
    let mut child = stance(&["classify", "--format", "jsonl", &file])
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{err}");
    assert_eq!(err, "");
}

#[test]
fn the_environment_sets_what_a_flag_does_not() {
    let mut command = stance(&["classify", "--text", "Paris."]);
    let output = command.env("STANCE_FORMAT", "json").output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["results"].is_array());
    let mut command = stance(&["classify", "--text", "Paris.", "--format", "jsonl"]);
    let output = command.env("STANCE_FORMAT", "json").output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["language"].is_object(), "the flag wins");
    let mut command = stance(&["classify", "--text", "Paris."]);
    let output = command
        .env("STANCE_FORMAT", "xml")
        .stdout(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_committed_documentation_is_what_the_code_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    run(&["docs", "--check", "--folder", folder]).code(0);
}

#[test]
fn stale_documentation_is_named() {
    let folder = Folder::new();
    let path = folder.path().to_str().unwrap();
    run(&["docs", "--write", "--folder", path]).code(0);
    run(&["docs", "--check", "--folder", path]).code(0);
    let file = folder.file("config.md", "old");
    let ended = run(&["docs", "--check", "--folder", path]).code(1);
    assert!(
        ended.err.contains(&file) && !ended.err.contains("cli.md"),
        "{}",
        ended.err
    );
}

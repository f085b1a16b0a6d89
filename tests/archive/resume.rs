//! Runs that end too early, and the same command again: it goes on, and the result is that of a
//! run that nothing happened to, to the byte.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use stance::model::{ManifestInfo, write_manifest};

use crate::model;
use crate::rows::{docs, jsonl, path};
use crate::support::{Ended, Folder, run, stance};

const DOCUMENTS: usize = 60;

/// Documents, some of which cannot be scored.
fn input(folder: &Folder) -> String {
    let mut lines = jsonl(&docs(DOCUMENTS));
    lines.insert_str(0, "{\"id\": \"first\", \"text\": \"\"}\n");
    lines += "{\"id\": \"last\", \"text\": 1}\n";
    folder.file("in.jsonl", lines)
}

/// Every file of the output with its bytes.
fn result(out: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut add = |name: String, path: &Path| {
        files.insert(name, std::fs::read(path).unwrap());
    };
    if Path::new(out).is_dir() {
        for entry in std::fs::read_dir(out).unwrap() {
            let entry = entry.unwrap();
            add(entry.file_name().into_string().unwrap(), &entry.path());
        }
    } else {
        add("output".to_owned(), Path::new(out));
    }
    add(
        "errors".to_owned(),
        Path::new(&format!("{out}.errors.jsonl")),
    );
    assert!(
        !Path::new(&format!("{out}.parts")).exists(),
        "parts are left"
    );
    files
}

fn forget(out: &str) {
    let _ = std::fs::remove_dir_all(out);
    for path in [
        out.to_owned(),
        format!("{out}.journal"),
        format!("{out}.errors.jsonl"),
    ] {
        let _ = std::fs::remove_file(path);
    }
    let _ = std::fs::remove_dir_all(format!("{out}.parts"));
}

/// Numbers without a pattern; the moments differ from run to run anyway.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

/// Kills runs at `kills` moments, which lie anywhere between their beginning and their end.
fn killed(name: &str, format: &[&str], kills: usize) {
    let folder = Folder::new();
    let file = input(&folder);
    let (out, whole) = (path(&folder, name), path(&folder, &format!("whole-{name}")));
    let arguments = |out: &str| -> Vec<String> {
        let fixed = [
            "score",
            &file,
            "-o",
            out,
            "--part-rows",
            "4",
            "--progress",
            "none",
        ];
        fixed
            .iter()
            .chain(format)
            .map(ToString::to_string)
            .collect()
    };
    let command = |out: &str| {
        let arguments = arguments(out);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = stance(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let began = Instant::now();
    assert_eq!(command(&whole).status().unwrap().code(), Some(3));
    let took = began.elapsed();
    let expected = result(&whole);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ took.as_nanos() as u64);
    let (mut done, mut with_parts) = (0, 0);
    // On a busy machine few kills may fall where something is at stake: then there are more.
    while done < kills || (with_parts == 0 && done < 10 * kills) {
        let mut child = command(&out).spawn().unwrap();
        let wait = Duration::from_micros(dice.below(took.as_micros() as u64 * 11 / 10));
        std::thread::sleep(wait);
        if child.try_wait().unwrap().is_some() {
            // It was done before: what it left is right, and the next begins anew.
            assert_eq!(child.wait().unwrap().code(), Some(3));
            assert_eq!(result(&out), expected, "after {done} kills");
            forget(&out);
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        done += 1;
        let journal = std::fs::read_to_string(format!("{out}.journal")).unwrap_or_default();
        with_parts += usize::from(journal.lines().count() > 1);
    }
    let ended: Ended = command(&out).output().unwrap().into();
    let ended = ended.code(3);
    assert_eq!(result(&out), expected, "{}", ended.err);
    // Otherwise nothing was tried that could have gone wrong.
    assert!(with_parts > 0, "no kill fell between the parts");
}

#[test]
fn twenty_kills_leave_no_trace_in_a_file_of_parquet() {
    killed("out.parquet", &[], 20);
}

#[test]
fn kills_leave_no_trace_in_a_file_of_lines_or_a_folder() {
    killed("out.jsonl", &[], 5);
    killed("folder", &["--output-format", "csv", "--keep", "date"], 5);
}

/// A run that stopped after its first parts, and what it comes to undisturbed.
fn stopped(folder: &Folder) -> (Vec<String>, String, BTreeMap<String, Vec<u8>>) {
    let file = input(folder);
    let (out, whole) = (path(folder, "out.jsonl"), path(folder, "whole.jsonl"));
    let arguments = |out: &str| -> Vec<String> {
        ["score", &file, "-o", out, "--part-rows", "20"]
            .map(str::to_owned)
            .to_vec()
    };
    run(&arguments(&whole)
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>())
    .code(3);
    let arguments = arguments(&out);
    let mut fewer: Vec<&str> = arguments.iter().map(String::as_str).collect();
    fewer.extend(["--max-errors", "1"]);
    run(&fewer).code(1);
    let journal = std::fs::read_to_string(format!("{out}.journal")).unwrap();
    assert!(journal.lines().count() > 1, "{journal}");
    (arguments, out, result(&whole))
}

fn again(arguments: &[String], more: &[&str]) -> Ended {
    let arguments = arguments.iter().map(String::as_str);
    run(&arguments.chain(more.iter().copied()).collect::<Vec<_>>())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_the_run_and_costs_nothing_that_was_committed() {
    let folder = Folder::new();
    let (arguments, out, expected) = stopped(&folder);
    // Writing there fails as on a disk without room.
    let part = format!("{out}.parts/part.tmp");
    let _ = std::fs::remove_file(&part);
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let full = again(&arguments, &[]).code(1);
    assert!(
        full.err.contains("[output_failed]") && full.err.contains("space"),
        "{}",
        full.err
    );
    std::fs::remove_file(&part).unwrap();
    let done = again(&arguments, &[]).code(3);
    assert!(done.err.contains("of them earlier"), "{}", done.err);
    assert_eq!(result(&out), expected);
}

#[test]
fn a_journal_that_breaks_off_and_a_part_that_is_gone_are_made_good() {
    for damage in ["journal", "part"] {
        let folder = Folder::new();
        let (arguments, out, expected) = stopped(&folder);
        if damage == "journal" {
            let journal = std::fs::OpenOptions::new()
                .append(true)
                .open(format!("{out}.journal"));
            journal.unwrap().write_all(b"{\"part\":2,\"sco").unwrap();
        } else {
            std::fs::remove_file(format!("{out}.parts/part-000001.jsonl")).unwrap();
        }
        again(&arguments, &[]).code(3);
        assert_eq!(result(&out), expected, "{damage}");
    }
}

#[test]
fn other_settings_are_refused_by_name() {
    let folder = Folder::new();
    let (arguments, out, expected) = stopped(&folder);
    for (more, name) in [
        (&["--max-evidence", "1"][..], "options was"),
        (
            &["--text-column", "date"],
            "text_column was \"text\" and is \"date\"",
        ),
        (&["--part-rows", "7"], "part_rows was 20 and is 7"),
        (&["--output-format", "csv"], "format was"),
    ] {
        let mut arguments = arguments.clone();
        if more[0] == "--part-rows" {
            arguments.truncate(4);
        }
        let refused = again(&arguments, more).code(1);
        assert!(
            refused.err.contains("[journal_mismatch]") && refused.err.contains(name),
            "{}",
            refused.err
        );
    }
    // Another model, of the same name.
    let other = folder.path().join("model");
    std::fs::create_dir(&other).unwrap();
    let files = [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "stance.json",
        "heads.safetensors",
    ];
    for file in files {
        std::fs::copy(model::tiny().join(file), other.join(file)).unwrap();
    }
    let heads = std::fs::read_to_string(other.join("stance.json")).unwrap();
    let heads = heads.replace("\"window_overlap\":16", "\"window_overlap\":8");
    std::fs::write(other.join("stance.json"), heads).unwrap();
    let info = ManifestInfo {
        name: "tiny".into(),
        version: "0.0.1".into(),
        created: "2026-01-01T00:00:00Z".into(),
        license: "Apache-2.0".into(),
    };
    write_manifest(&other, info, &files).unwrap();
    let refused = again(&arguments, &["--model", other.to_str().unwrap()]).code(1);
    assert!(refused.err.contains("model_sha256 was"), "{}", refused.err);
    // Nothing of this harmed what was there.
    again(&arguments, &[]).code(3);
    assert_eq!(result(&out), expected);
}

#[test]
fn what_is_done_is_not_done_again_and_what_is_there_is_not_overwritten() {
    let folder = Folder::new();
    let (arguments, out, expected) = stopped(&folder);
    again(&arguments, &[]).code(3);
    let done = again(&arguments, &[]).code(3);
    assert!(done.err.contains("62 of them earlier"), "{}", done.err);
    std::fs::remove_file(format!("{out}.journal")).unwrap();
    let refused = again(&arguments, &[]).code(1);
    assert!(refused.err.contains("[output_exists]"), "{}", refused.err);
    let anew = again(&arguments, &["--overwrite"]).code(3);
    assert!(!anew.err.contains("earlier"), "{}", anew.err);
    assert_eq!(result(&out), expected);
    std::fs::write(&out, "something else").unwrap();
    let refused = again(&arguments, &[]).code(1);
    assert!(refused.err.contains("[output_changed]"), "{}", refused.err);
}

#[test]
fn two_runs_do_not_write_the_same_output() {
    let folder = Folder::new();
    let (arguments, out, expected) = stopped(&folder);
    let journal = std::fs::File::open(format!("{out}.journal")).unwrap();
    journal.lock().unwrap();
    let busy = again(&arguments, &[]).code(1);
    assert!(busy.err.contains("[output_busy]"), "{}", busy.err);
    drop(journal);
    again(&arguments, &[]).code(3);
    assert_eq!(result(&out), expected);
}

#[test]
fn a_run_goes_on_in_the_middle_of_any_source() {
    // Several sources, of which parts end inside, at the end and at the beginning.
    let folder = Folder::new();
    let docs = docs(30);
    let one = folder.file("1.parquet", crate::rows::parquet(&docs[..7]));
    let two = folder.file("2.arrow", crate::rows::ipc_file(&docs[7..14]));
    let bad = "{\"text\": \"\"}\n";
    let three = folder.file("3.jsonl", jsonl(&docs[14..]) + bad + bad);
    let (out, whole) = (path(&folder, "out.jsonl"), path(&folder, "whole.jsonl"));
    for rows in ["7", "10"] {
        let run = |out: &str, more: &[&str]| {
            let fixed = ["score", &one, &two, &three, "-o", out, "--part-rows", rows];
            crate::support::run(&[&fixed[..], more].concat())
        };
        run(&whole, &[]).code(3);
        run(&out, &["--max-errors", "1"]).code(1);
        // Each step back is a place where the run might have ended.
        let journal = std::fs::read_to_string(format!("{out}.journal")).unwrap();
        let lines: Vec<&str> = journal.lines().collect();
        for kept in (1..=lines.len()).rev() {
            std::fs::write(format!("{out}.journal"), lines[..kept].join("\n") + "\n").unwrap();
            run(&out, &["--max-errors", "1"]).code(1);
        }
        run(&out, &[]).code(3);
        assert_eq!(result(&out), result(&whole), "{rows} rows");
        forget(&out);
        forget(&whole);
    }
}

//! The sample articles, where they are at hand, and timings.

use super::*;
use std::collections::BTreeMap;
use std::time::Instant;

/// What must be found in each sample, with the least number of mentions.
const EXPECTED: [&[(&str, usize)]; 5] = [
    &[
        ("syria", 38),
        ("united-states", 4),
        ("hamas", 8),
        ("khaled-mashal", 5),
        ("syrian-arab-army", 2),
        ("syrian-national-coalition", 2),
        ("free-syrian-army", 1),
        ("al-nusra-front", 1),
        ("john-kerry", 1),
        ("arab-league", 1),
        ("freedom-and-justice-party", 1),
        ("barack-obama", 1),
        ("russia", 1),
        ("turkey", 4),
        ("qatar", 2),
        ("saudi-arabia", 2),
        ("france", 2),
        ("palestine", 3),
        ("united-nations", 1),
        ("bashar-al-assad", 1),
    ],
    &[
        ("united-nations", 2),
        ("ban-ki-moon", 1),
        ("iran", 2),
        ("united-states", 3),
        ("syrian-national-council", 2),
        ("syrian-national-coalition", 2),
        ("islamic-state", 3),
        ("free-syrian-army", 2),
        ("al-nusra-front", 1),
        ("omran-al-zoubi", 2),
        ("syria", 20),
        ("syrian-arab-army", 3),
        ("syrian-opposition", 2),
        ("israel", 1),
        ("russia", 1),
        ("turkey", 1),
    ],
    &[
        ("hamas", 40),
        ("syria", 48),
        ("mousa-abu-marzouk", 1),
        ("khalil-al-hayya", 2),
        ("israel", 3),
        ("axis-of-resistance", 1),
        ("hafez-al-assad", 1),
        ("bashar-al-assad", 1),
        ("iraq", 1),
        ("saudi-arabia", 2),
        ("iran", 1),
        ("qatar", 2),
        ("turkey", 1),
    ],
    &[
        ("syria", 4),
        ("bashar-al-assad", 2),
        ("european-union", 1),
        ("syrian-arab-army", 2),
        ("al-nusra-front", 2),
        ("recep-tayyip-erdogan", 1),
        ("francois-hollande", 1),
        ("russia", 1),
        ("united-states", 1),
        ("turkey", 1),
    ],
    &[
        ("russia", 10),
        ("united-states", 8),
        ("syria", 8),
        ("bashar-al-assad", 8),
        ("vladimir-putin", 5),
        ("abdel-fattah-el-sisi", 1),
        ("abdullah-ii-of-jordan", 1),
        ("jordan", 1),
        ("islamic-state", 3),
        ("syrian-opposition", 2),
        ("syrian-arab-army", 1),
        ("saudi-arabia", 2),
        ("turkey", 1),
        ("iran", 1),
    ],
];

/// The sample files in order, or `None` with a note where they are not at hand.
fn samples() -> Option<Vec<(String, String)>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            Some((
                path.display().to_string(),
                std::fs::read_to_string(path).ok()?,
            ))
        })
        .collect()
}

#[test]
fn the_samples_name_their_actors() {
    let Some(samples) = samples() else { return };
    let mut wrong: Vec<String> = Vec::new();
    for ((path, text), expected) in samples.iter().zip(EXPECTED) {
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for mention in matcher().find(text) {
            let count = counts
                .entry(&matcher().actors()[mention.actor].id)
                .or_default();
            if mention.weak {
                count.1 += 1;
            } else {
                count.0 += 1;
            }
        }
        let shown: Vec<String> = counts
            .iter()
            .map(|(id, (strong, weak))| format!("{id} {strong}+{weak}"))
            .collect();
        eprintln!("{path}: {}", shown.join(", "));
        for (id, least) in expected {
            let strong = counts.get(id).map_or(0, |count| count.0);
            if strong < *least {
                wrong.push(format!("{path}: {id} {strong} times, expected {least}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `cargo test --release -p stance --lib actors::tests::samples::timings -- --ignored --nocapture`
#[test]
#[ignore = "prints how long building and matching take"]
fn timings() {
    let start = Instant::now();
    let registry = Registry::embedded();
    let parsed = start.elapsed();
    let start = Instant::now();
    let matcher = Matcher::new(registry, None).unwrap();
    let built = start.elapsed();
    let text = "وقال الرئيس الروسي فلاديمير بوتين إن سوريا وإيران. President Obama met Merkel in Berlin on a fine day. Президент России. ".repeat(5000);
    let start = Instant::now();
    let mentions = matcher.find(&text).len();
    let searched = start.elapsed();
    let specs: Vec<crate::document::ActorSpec> = (0..10)
        .map(|at| crate::document::ActorSpec {
            id: format!("a{at}"),
            names: vec![
                format!("Actor Number {at}"),
                format!("Участник {at}"),
                format!("الفاعل {at}"),
            ],
            spans: None,
        })
        .collect();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(
            Matcher::for_specs(&specs, registry).unwrap().actors().len(),
            10
        );
    }
    let inline = start.elapsed() / 100;
    let rate = text.len() as f64 / 1e6 / searched.as_secs_f64();
    eprintln!(
        "{} actors, {} patterns: parsed in {parsed:?}, compiled in {built:?}; {} bytes with {mentions} mentions in {searched:?} ({rate:.0} MB/s); 10 actors of a request in {inline:?}",
        registry.len(),
        matcher.patterns(),
        text.len(),
    );
    assert!(mentions >= 5000 * 7);
}

//! Round trips and damage.

use super::*;

fn pairs() -> Vec<Pair> {
    (0..50_u16)
        .map(|number| Pair {
            teacher: (0..number).map(|id| id * 601).collect(),
            english: vec![39_999, number],
            other: (0..=number % 7).collect(),
            english_links: vec![(0, 1), (127, 127)],
            other_links: (0..number).map(|index| (index, index % 7)).collect(),
        })
        .collect()
}

fn written(folder: &Path) -> PathBuf {
    let mut writer = PairWriter::new();
    for pair in &pairs() {
        writer.push(pair).unwrap();
    }
    let path = folder.join("ar.bin");
    writer.finish(&path).unwrap();
    path
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    PairWriter::new()
        .finish(&folder.path().join("fr.bin"))
        .unwrap();
    let store = PairStore::open(folder.path()).unwrap();
    assert_eq!(store.languages().collect::<Vec<_>>(), ["ar", "fr"]);
    assert_eq!(
        (store.len("ar"), store.len("fr"), store.len("xx")),
        (50, 0, 0)
    );
    for (index, pair) in pairs().iter().enumerate() {
        assert_eq!(store.get("ar", index).as_ref(), Some(pair));
    }
    assert_eq!(store.get("ar", 50), None);
    assert!(!store.is_empty());
}

#[test]
fn damage_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let good = std::fs::read(&path).unwrap();
    for (place, message) in [
        (0, "not a pair store"),
        (8, "version"),
        (21, "promises"),
        (good.len() - 1, "SHA-256"),
    ] {
        let mut bad = good.clone();
        bad[place] ^= 0x55;
        std::fs::write(&path, bad).unwrap();
        let error = PairStore::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(message), "{place}: {error}");
    }
    std::fs::write(&path, &good[..good.len() - 3]).unwrap();
    assert!(PairStore::open(folder.path()).is_err());
    std::fs::write(&path, &good[..20]).unwrap();
    assert!(PairStore::open(folder.path()).is_err());
}

#[test]
fn long_pairs_and_empty_folders_are_refused() {
    let long = Pair {
        other: vec![1; 129],
        ..Pair::default()
    };
    let error = PairWriter::new().push(&long).unwrap_err().to_string();
    assert_eq!(error, "pair: other has 129, at most 128 are allowed");
    let far = Pair {
        other_links: vec![(0, 128)],
        ..Pair::default()
    };
    assert!(PairWriter::new().push(&far).is_err());
    let folder = tempfile::tempdir().unwrap();
    assert!(PairStore::open(folder.path()).is_err());
}

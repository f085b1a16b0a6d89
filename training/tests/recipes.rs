//! Every recipe of the repository is one that its stage reads.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use stance_training::train::{finetune, fit, pretrain};

fn recipes(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(recipes(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_recipe_is_read_by_its_stage() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    let found = recipes(&folder);
    assert!(found.len() >= 3);
    for path in found {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let fault = match name.rsplit('-').next().unwrap() {
            "pretrain" => toml::from_str::<pretrain::Recipe>(&text).err(),
            "finetune" => toml::from_str::<finetune::Recipe>(&text).err(),
            "fit" => toml::from_str::<fit::Recipe>(&text).err(),
            other => panic!("{}: no stage is called {other}", path.display()),
        };
        assert!(fault.is_none(), "{}: {}", path.display(), fault.unwrap());
    }
}

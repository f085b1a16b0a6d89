//! Writes the list of the files of `models/default`, which the program carries inside.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
    // A path that does not exist would rerun this every time.
    for watched in ["models/default", "models"] {
        if root.join(watched).exists() {
            println!("cargo::rerun-if-changed={watched}");
            break;
        }
    }
    let mut list = String::from(
        "/// Names and contents, sorted by name.\npub(super) static FILES: &[(&str, &[u8])] = &[\n",
    );
    for (name, path) in model_files(&root.join("models/default"))? {
        let path = path.display().to_string();
        let _ = writeln!(list, "    ({name:?}, include_bytes!({path:?})),");
    }
    list += "];\n";
    fs::write(out.join("default_model.rs"), list)
}

/// The manifest and the files that it names; none without a manifest.
fn model_files(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let Ok(manifest) = fs::read_to_string(folder.join("manifest.json")) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let listed = name == "manifest.json" || manifest.contains(&format!("{name:?}"));
        if listed && entry.path().is_file() {
            files.push((name, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

//! Writes the list of the files of `models/default`, which the program carries inside.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
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
    fs::write(out.join("default_model.rs"), list)?;
    if env::var_os("CARGO_FEATURE_CUDA").is_some() {
        kernels(&root.join("src/encoder/ops/cuda"), &out)?;
    }
    Ok(())
}

/// Compiles the kernels for NVIDIA cards to PTX, which the driver compiles for its card.
fn kernels(folder: &Path, out: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rerun-if-env-changed=CUDA_COMPUTE_CAP");
    let capability = env::var("CUDA_COMPUTE_CAP").unwrap_or_else(|_| "80".to_owned());
    let status = Command::new("nvcc")
        .args([
            "--ptx",
            "-O3",
            &format!("--gpu-architecture=compute_{capability}"),
        ])
        .arg("--output-file")
        .arg(out.join("kernels.ptx"))
        .arg(folder.join("kernels.cu"))
        .status()
        .map_err(|error| {
            io::Error::other(format!("nvcc, which the feature cuda needs: {error}"))
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("nvcc: {status}")))
    }
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

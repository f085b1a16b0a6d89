//! Models by hub id, against a small server on the loopback that speaks the part of the hub's
//! HTTP that is used.

#![allow(clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use candle_core::Device;
use sha2::{Digest, Sha256};
use stance::encoder::embed::Embedder;
use stance::encoder::files::Folder;
use stance::encoder::hub::{Hub, HubId, HubOptions, locate_encoder};
use stance::encoder::load::{EncoderParts, LoadOptions};
use stance::error::ErrorCode;
use stance::model::{self, ManifestInfo, write_manifest};

const MODEL: &str = "owner/tiny";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const TOKEN: &str = "hf_test";
/// Files from this size on are answered as large files: named by their SHA-256.
const LARGE: usize = 100_000;

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// A file whose next download comes with a flipped byte.
    broken: Option<String>,
    /// How many more downloads of pieces are answered; all when `None`.
    pieces: Option<usize>,
    /// The ranges that were asked for, as they came.
    ranges: Vec<String>,
    /// Method and path of every request, and whether each carried the token.
    requests: Vec<(String, bool)>,
}

/// A hub with one model, [`MODEL`], at branch `main` and commit [`COMMIT`].
struct Server {
    endpoint: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    fn start(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let state = Arc::new(Mutex::new(State {
            files,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        // It serves until the test's process ends.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { endpoint, state }
    }

    fn options(&self, cache: &Path) -> HubOptions {
        HubOptions {
            endpoint: Some(self.endpoint.clone()),
            token: Some(TOKEN.to_owned()),
            cache_dir: Some(cache.to_owned()),
            ..HubOptions::default()
        }
    }

    /// The requests since the last call.
    fn requests(&self) -> Vec<String> {
        let mut state = self.state.lock().expect("state");
        std::mem::take(&mut state.requests)
            .into_iter()
            .map(|(request, _)| request)
            .collect()
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("request");
    let mut parts = line.split_whitespace();
    let (Some(method), Some(path)) = (parts.next(), parts.next()) else {
        return;
    };
    let (mut length, mut authorized, mut range) = (0, false, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("header");
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ").expect("a header");
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().expect("length"),
            "range" => range = Some(value.to_owned()),
            "authorization" => authorized = value == format!("Bearer {TOKEN}"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("body");
    let mut state = state.lock().expect("state");
    state
        .requests
        .push((format!("{method} {path}"), authorized));
    let (mut status, headers, mut content) = respond(&mut state, method, path, &body);
    if let Some(range) = range {
        (status, content) = piece(&mut state, &range, &content);
    }
    let mut reply = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}");
    let _ = write!(reply, "Content-Length: {}\r\n\r\n", content.len());
    let stream = reader.get_mut();
    stream.write_all(reply.as_bytes()).expect("reply");
    if method != "HEAD" {
        stream.write_all(&content).expect("content");
    }
}

/// The part of `content` that a range asks for.
fn piece(state: &mut State, range: &str, content: &[u8]) -> (&'static str, Vec<u8>) {
    let (start, end) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .expect("a range");
    let (start, end): (usize, usize) = (start.parse().expect("start"), end.parse().expect("end"));
    state.ranges.push(range.to_owned());
    match &mut state.pieces {
        Some(0) => return ("410 Gone", b"broken off".to_vec()),
        Some(left) => *left -= 1,
        None => {}
    }
    ("206 Partial Content", content[start..=end].to_vec())
}

fn respond(
    state: &mut State,
    method: &str,
    path: &str,
    body: &[u8],
) -> (&'static str, String, Vec<u8>) {
    let known = |revision: &str| revision == "main" || revision == COMMIT;
    let commit = format!("X-Repo-Commit: {COMMIT}\r\n");
    let not_found = (
        "404 Not Found",
        String::new(),
        b"{\"error\": \"not found\"}".to_vec(),
    );
    let json = "Content-Type: application/json\r\n".to_owned();
    if let Some(revision) = path.strip_prefix(&format!("/api/models/{MODEL}/revision/")) {
        if !known(revision) {
            return not_found;
        }
        let info = serde_json::json!({"id": MODEL, "sha": COMMIT});
        return ("200 OK", json, info.to_string().into_bytes());
    }
    if let Some(revision) = path.strip_prefix(&format!("/api/models/{MODEL}/paths-info/")) {
        assert!(known(revision));
        let asked: serde_json::Value = serde_json::from_slice(body).expect("JSON");
        let asked = asked["paths"].as_array().expect("paths");
        let entries: Vec<serde_json::Value> = asked
            .iter()
            .filter_map(|name| {
                let content = state.files.get(name.as_str()?)?;
                let mut entry = serde_json::json!({
                    "type": "file", "oid": "git", "size": content.len(), "path": name,
                });
                if content.len() >= LARGE {
                    let (oid, size) = (sha256(content), content.len());
                    entry["lfs"] = serde_json::json!({"oid": oid, "size": size, "pointerSize": 1});
                }
                Some(entry)
            })
            .collect();
        return (
            "200 OK",
            json,
            serde_json::json!(entries).to_string().into_bytes(),
        );
    }
    let Some((revision, name)) = path
        .strip_prefix(&format!("/{MODEL}/resolve/"))
        .and_then(|rest| rest.split_once('/'))
    else {
        return not_found;
    };
    let Some(content) = state.files.get(name).filter(|_| known(revision)) else {
        return not_found;
    };
    let mut content = content.clone();
    let headers = if content.len() >= LARGE {
        format!("{commit}X-Linked-Etag: \"{}\"\r\n", sha256(&content))
    } else {
        format!("{commit}ETag: \"{}\"\r\n", &sha256(&content)[..40])
    };
    if method == "GET" && state.broken.as_deref() == Some(name) {
        state.broken = None;
        content[0] ^= 1;
    }
    ("200 OK", headers, content)
}

fn sha256(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders/bert");
    fs::read(folder.join(name)).expect("fixture")
}

/// The fixture model, and files that an encoder does not need.
fn tiny() -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> =
        ["config.json", "tokenizer.json", "model.safetensors"]
            .into_iter()
            .map(|name| (name.to_owned(), fixture(name)))
            .collect();
    assert!(files["model.safetensors"].len() >= LARGE);
    files.insert("README.md".to_owned(), b"# tiny".to_vec());
    files.insert("pytorch_model.bin".to_owned(), vec![0; LARGE]);
    files
}

fn id() -> HubId {
    MODEL.parse().expect("valid id")
}

fn fetch(options: &HubOptions) -> Result<PathBuf, stance::encoder::EncoderError> {
    Hub::new(options).expect("client").fetch_encoder(&id())
}

/// An address that nothing listens on.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

#[test]
fn fetches_what_is_needed_once_and_then_reads_the_cache() {
    let (server, cache) = (Server::start(tiny()), tempfile::tempdir().expect("cache"));
    let options = server.options(cache.path());
    let folder = fetch(&options).expect("fetched");
    assert!(folder.ends_with(COMMIT), "{folder:?}");
    let parts = EncoderParts::load(&Folder::new(&folder), &Device::Cpu).expect("loads");
    assert_eq!(parts.config.hidden_size, 32);

    let authorized = server
        .state
        .lock()
        .expect("state")
        .requests
        .iter()
        .all(|(_, token)| *token);
    assert!(authorized, "the token goes with every request");
    let requests = server.requests();
    let downloads: Vec<&String> = requests.iter().filter(|r| r.starts_with("GET")).collect();
    assert_eq!(downloads.len(), 3, "{requests:?}");
    for unneeded in ["README.md", "pytorch_model.bin"] {
        assert!(
            !requests.iter().any(|request| request.contains(unneeded)),
            "{requests:?}"
        );
    }

    assert_eq!(fetch(&options).expect("again"), folder);
    let requests = server.requests();
    assert!(
        !requests.iter().any(|request| request.starts_with("GET")),
        "{requests:?}"
    );

    let offline = HubOptions {
        offline: true,
        ..options.clone()
    };
    assert_eq!(fetch(&offline).expect("offline"), folder);
    assert_eq!(server.requests(), Vec::<String>::new(), "offline is silent");

    let unreachable = HubOptions {
        endpoint: Some(nowhere()),
        ..options
    };
    assert_eq!(fetch(&unreachable).expect("from the cache"), folder);
}

#[test]
fn a_commit_in_the_cache_needs_no_network() {
    let (server, cache) = (Server::start(tiny()), tempfile::tempdir().expect("cache"));
    let options = server.options(cache.path());
    let folder = fetch(&options).expect("fetched");
    server.requests();
    let hub = Hub::new(&options).expect("client");
    let again = hub.fetch(&id().at(COMMIT), &["config.json", "model.safetensors"], &[]);
    assert_eq!(again.expect("cached"), folder);
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[test]
fn what_the_hub_does_not_have_is_named() {
    let mut files = tiny();
    files.remove("pytorch_model.bin");
    let (server, cache) = (Server::start(files), tempfile::tempdir().expect("cache"));
    let hub = Hub::new(&server.options(cache.path())).expect("client");
    for unknown in ["owner/other", "owner/tiny@v9"] {
        let error = hub
            .fetch_encoder(&unknown.parse().expect("id"))
            .expect_err(unknown);
        assert_eq!(error.code(), "unknown_model", "{error}");
        assert!(error.to_string().contains("owner/"), "{error}");
    }
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let removed = server
            .state
            .lock()
            .expect("state")
            .files
            .remove(name)
            .expect("there");
        let cache = tempfile::tempdir().expect("cache");
        let error = fetch(&server.options(cache.path())).expect_err(name);
        assert_eq!(error.code(), "missing_file", "{error}");
        assert!(error.to_string().contains(name), "{error}");
        server
            .state
            .lock()
            .expect("state")
            .files
            .insert(name.to_owned(), removed);
    }
}

#[test]
fn offline_without_a_cache_and_a_hub_that_is_down_are_told_apart() {
    let cache = tempfile::tempdir().expect("cache");
    let options = HubOptions {
        endpoint: Some(nowhere()),
        cache_dir: Some(cache.path().to_owned()),
        ..HubOptions::default()
    };
    let error = fetch(&options).expect_err("down");
    assert_eq!(error.code(), "hub_unavailable", "{error}");
    let error = fetch(&HubOptions {
        offline: true,
        ..options
    })
    .expect_err("offline");
    assert_eq!(error.code(), "offline", "{error}");
    assert!(error.to_string().contains("config.json"), "{error}");
}

#[test]
fn a_broken_download_is_refused_and_not_kept() {
    let (server, cache) = (Server::start(tiny()), tempfile::tempdir().expect("cache"));
    let options = server.options(cache.path());
    server.state.lock().expect("state").broken = Some("model.safetensors".to_owned());
    let error = fetch(&options).expect_err("broken");
    assert_eq!(error.code(), "hash_mismatch", "{error}");
    let folder = fetch(&options).expect("downloaded again");
    assert_eq!(
        fs::read(folder.join("model.safetensors")).expect("read"),
        fixture("model.safetensors")
    );
}

#[test]
fn shards_follow_their_index() {
    let mut files = tiny();
    let weights = files.remove("model.safetensors").expect("there");
    let index = serde_json::json!({"weight_map": {"any": "model-00001-of-00001.safetensors"}});
    files.insert(
        "model.safetensors.index.json".to_owned(),
        index.to_string().into_bytes(),
    );
    files.insert("model-00001-of-00001.safetensors".to_owned(), weights);
    let (server, cache) = (Server::start(files), tempfile::tempdir().expect("cache"));
    let folder = fetch(&server.options(cache.path())).expect("fetched");
    EncoderParts::load(&Folder::new(folder), &Device::Cpu).expect("loads");
}

#[test]
fn a_stance_model_is_opened_by_id_and_a_folder_of_that_name_wins() {
    let folder = tempfile::tempdir().expect("folder");
    let local = folder.path().join(MODEL);
    fs::create_dir_all(&local).expect("created");
    for (name, content) in tiny() {
        fs::write(local.join(name), content).expect("written");
    }
    let info = ManifestInfo {
        name: "tiny".to_owned(),
        version: "1".to_owned(),
        created: "2025-01-01T00:00:00Z".to_owned(),
        license: "Apache-2.0".to_owned(),
    };
    let names = ["config.json", "tokenizer.json", "model.safetensors"];
    let manifest = write_manifest(&local, info, &names).expect("manifest");
    let mut files = tiny();
    files.insert(
        "manifest.json".to_owned(),
        fs::read(local.join("manifest.json")).expect("read"),
    );
    let (server, cache) = (Server::start(files), tempfile::tempdir().expect("cache"));
    let options = server.options(cache.path());

    let fetched = model::open(MODEL, &options).expect("from the hub");
    assert_eq!(fetched.sha256(), manifest.sha256());
    assert!(
        !server
            .requests()
            .iter()
            .any(|request| request.contains("README.md"))
    );
    EncoderParts::load(&fetched, &Device::Cpu).expect("loads");
    let offline = HubOptions {
        offline: true,
        ..options.clone()
    };
    assert_eq!(
        model::open(MODEL, &offline).expect("offline").sha256(),
        manifest.sha256()
    );

    server.requests();
    std::env::set_current_dir(folder.path()).expect("entered");
    let opened = model::open(MODEL, &options).expect("from the folder");
    assert_eq!(opened.sha256(), manifest.sha256());
    locate_encoder(MODEL, &options).expect("from the folder");
    assert_eq!(
        server.requests(),
        Vec::<String>::new(),
        "a folder needs no network"
    );
}

#[test]
fn offline_names_the_first_file_that_the_cache_lacks() {
    let (server, cache) = (Server::start(tiny()), tempfile::tempdir().expect("cache"));
    let options = server.options(cache.path());
    let hub = Hub::new(&options).expect("client");
    hub.fetch(&id(), &["config.json", "tokenizer.json"], &[])
        .expect("fetched");
    let error = fetch(&HubOptions {
        offline: true,
        ..options
    })
    .expect_err("no weights");
    assert_eq!(error.code(), "offline", "{error}");
    assert!(error.to_string().contains("model.safetensors"), "{error}");
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let (server, cache) = (Server::start(tiny()), tempfile::tempdir().expect("cache"));
    let options = HubOptions {
        chunk_bytes: Some(50_000),
        ..server.options(cache.path())
    };
    server.state.lock().expect("state").pieces = Some(2);
    let error = fetch(&options).expect_err("broken off");
    assert_eq!(error.code(), "hub_unavailable", "{error}");
    let first = std::mem::take(&mut server.state.lock().expect("state").ranges);
    assert_eq!(
        first[..2],
        ["bytes=0-49999", "bytes=50000-99999"],
        "{first:?}"
    );
    server.state.lock().expect("state").pieces = None;
    let folder = fetch(&options).expect("fetched");
    let weights = fixture("model.safetensors");
    let second = std::mem::take(&mut server.state.lock().expect("state").ranges);
    let last = format!("bytes=150000-{}", weights.len() - 1);
    assert_eq!(second, ["bytes=100000-149999", last.as_str()]);
    assert_eq!(
        fs::read(folder.join("model.safetensors")).expect("read"),
        weights
    );
    let left: Vec<_> = fs::read_dir(folder.join("../../blobs"))
        .expect("blobs")
        .flatten()
        .filter(|entry| entry.path().extension().is_some())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn pickles_are_fetched_and_read_only_when_they_are_allowed() {
    let mut files = tiny();
    files.remove("model.safetensors");
    files.insert(
        "pytorch_model.bin".to_owned(),
        fs::read(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/pickle/pytorch_model.bin"
        ))
        .expect("fixture"),
    );
    let (server, cache) = (Server::start(files), tempfile::tempdir().expect("cache"));
    let options = server.options(cache.path());
    let error = fetch(&options).expect_err("not allowed");
    assert_eq!(error.code(), "pickle_refused", "{error}");
    assert!(error.to_string().contains("pytorch_model.bin"), "{error}");
    let allowed = HubOptions {
        allow_pickle: true,
        ..options
    };
    let folder = Folder::new(fetch(&allowed).expect("fetched"));
    let error = EncoderParts::load(&folder, &Device::Cpu)
        .map(|_| ())
        .expect_err("not allowed");
    assert_eq!(error.code(), "pickle_refused", "{error}");
    let options = LoadOptions::default().allow_pickle(true);
    let pickled = EncoderParts::load_with(&folder, &Device::Cpu, options).expect("loads");
    // The pickle holds the tensors of the fixture's safetensors.
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders/bert");
    let safe = EncoderParts::load(&Folder::new(local), &Device::Cpu).expect("loads");
    let states = |parts: &EncoderParts| -> Vec<Vec<f32>> {
        let encoder = parts.encoder().expect("encoder");
        let states = encoder.encode(&[&[2, 7, 9, 3]]).expect("encoded").states;
        states.to_vec2().expect("states")
    };
    assert_eq!(states(&pickled), states(&safe));
}

#[test]
fn an_embedding_model_comes_with_its_steps() {
    let mut files = tiny();
    let embedder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embedders/cls-dense");
    for name in [
        "modules.json",
        "config_sentence_transformers.json",
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
    ] {
        files.insert(
            name.to_owned(),
            fs::read(embedder.join(name)).expect("fixture"),
        );
    }
    let (server, cache) = (Server::start(files), tempfile::tempdir().expect("cache"));
    let options = server.options(cache.path());
    let fetched = model::fetch(&id(), &options).expect("fetched");
    assert_eq!(fetched.kind, model::FetchedKind::Encoder);
    assert_eq!(fetched.id.revision(), COMMIT);
    let names: Vec<&str> = fetched
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert!(names.contains(&"2_Dense/model.safetensors"), "{names:?}");
    let weights = fetched.files.iter().find(|f| f.name == "model.safetensors");
    let expected = sha256(&fixture("model.safetensors"));
    assert_eq!(weights.expect("fetched").sha256, Some(expected));
    let folder = Folder::new(&fetched.folder);
    let embedder = Embedder::load(&folder, &Device::Cpu, LoadOptions::default()).expect("loads");
    assert_eq!(embedder.embed(&["a"], "").expect("vector")[0].len(), 24);
    // Of the cache alone, and when a file of the cache has changed.
    let offline = HubOptions {
        offline: true,
        ..options
    };
    assert_eq!(model::fetch(&id(), &offline).expect("offline"), fetched);
    let blob = fs::canonicalize(fetched.folder.join("model.safetensors")).expect("blob");
    let mut bytes = fs::read(&blob).expect("read");
    bytes[5000] ^= 1;
    fs::write(&blob, bytes).expect("written");
    let error = model::fetch(&id(), &offline).expect_err("changed");
    assert_eq!(error.code(), "hash_mismatch", "{error}");
}

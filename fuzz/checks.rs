//! What must hold for any bytes, for the fuzz targets and for their twins in `tests/fuzz.rs`.

use std::ops::Range;
use std::sync::OnceLock;

use candle_core::Device;
use stance::actors::{Matcher, Registry};
use stance::document::{ActorSpec, OffsetUnit};
use stance::encoder::files::MemoryFiles;
use stance::encoder::weights::WeightsReader;
use stance::server::ClassifyRequest;
use stance::text::{CleanText, OffsetTable, decode, html_text, sentences};

/// Cleaned text, its paragraphs and its sentences point back to characters of the original.
pub fn text(bytes: &[u8]) {
    let Ok(original) = decode(bytes) else {
        return;
    };
    // Whatever the page is, its text is text.
    let _ = html_text(original);
    for clean in [false, true] {
        let Ok(text) = CleanText::new(original, clean, &[]) else {
            continue;
        };
        let cut = sentences(text.text(), text.paragraphs());
        let mut end = 0;
        for span in text.paragraphs().iter().chain(&cut) {
            assert!(text.text().get(span.clone()).is_some(), "{span:?}");
            is_in(original, text.to_original(span.clone()));
        }
        for sentence in cut {
            assert!(sentence.start >= end && !sentence.is_empty());
            end = sentence.end;
        }
    }
}

/// A span lies on characters, and is the same in every unit and back.
fn is_in(original: &str, span: Range<usize>) {
    assert!(original.get(span.clone()).is_some(), "{span:?}");
    let table = OffsetTable::new(original);
    for unit in [OffsetUnit::Byte, OffsetUnit::Char, OffsetUnit::Utf16] {
        for byte in [span.start, span.end] {
            let offset = table.from_byte(byte, unit);
            assert_eq!(table.to_byte(offset, unit), Some(byte));
        }
    }
}

/// Mentions lie on characters, in order, and do not overlap: of the registry, and of names that the
/// first line gives, separated by semicolons.
pub fn matcher(bytes: &[u8]) {
    static BUILT_IN: OnceLock<Matcher> = OnceLock::new();
    let built_in =
        || Matcher::new(Registry::embedded(), None).unwrap_or_else(|error| unreachable!("{error}"));
    let Ok(text) = decode(bytes) else {
        return;
    };
    spans(BUILT_IN.get_or_init(built_in), text);
    let Some((names, text)) = text.split_once('\n') else {
        return;
    };
    let spec = ActorSpec {
        id: "x".to_owned(),
        names: names.split(';').map(str::to_owned).collect(),
        spans: None,
    };
    if let Ok(own) = Matcher::for_specs(&[spec], Registry::embedded()) {
        spans(&own, text);
    }
}

fn spans(matcher: &Matcher, text: &str) {
    let mut end = 0;
    for mention in matcher.find(text) {
        assert!(mention.actor < matcher.actors().len());
        assert!(mention.span.start >= end && !mention.span.is_empty());
        assert!(text.get(mention.span.clone()).is_some(), "{mention:?}");
        end = mention.span.end;
    }
}

/// A body is a request, which is read back as what it was, or a problem with a code and a status.
pub fn request(bytes: &[u8]) {
    match ClassifyRequest::parse(bytes) {
        Ok(request) => {
            let written = serde_json::to_vec(&request).unwrap_or_default();
            let again = ClassifyRequest::parse(&written);
            assert_eq!(again.as_ref(), Ok(&request));
        }
        Err(problem) => {
            let problem = serde_json::to_value(&problem).unwrap_or_default();
            assert!(matches!(problem["status"].as_u64(), Some(400 | 422)));
            assert!(
                problem["code"]
                    .as_str()
                    .is_some_and(|code| !code.is_empty())
            );
            assert!(
                problem["detail"]
                    .as_str()
                    .is_some_and(|detail| !detail.is_empty())
            );
        }
    }
}

/// A file of actors is a registry without two actors of one id, or an error.
pub fn registry(bytes: &[u8]) {
    for ending in [".toml", ".json"] {
        let file = tempfile::Builder::new().suffix(ending).tempfile();
        let Ok(file) = file else {
            return;
        };
        if std::fs::write(file.path(), bytes).is_err() {
            return;
        }
        if let Ok(registry) = Registry::from_files(&[file.path()]) {
            let mut ids: Vec<&str> = registry.iter().map(|actor| actor.id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), registry.len());
            // What it names can be looked for.
            let _ = Matcher::new(&registry, None).map(|matcher| spans(&matcher, "Spain"));
        }
    }
}

/// A file of weights gives tensors of the shapes that it states, or an error.
pub fn weights(bytes: &[u8]) {
    let content = [("weights", bytes)];
    let files = MemoryFiles::new(&content);
    let Ok(mut reader) = WeightsReader::open_file(&files, "weights") else {
        return;
    };
    let names: Vec<String> = reader.names().map(str::to_owned).collect();
    let shapes: Vec<Vec<usize>> = names
        .iter()
        .map(|name| reader.shape(name).unwrap_or_default().to_vec())
        .collect();
    if let Ok(tensors) = reader.read_all(&Device::Cpu) {
        for (name, shape) in names.iter().zip(shapes) {
            assert_eq!(tensors[name].dims(), shape);
        }
    }
}

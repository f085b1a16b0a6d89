//! The checks of the fuzz targets (`fuzz/`) on inputs that proptest makes: near to what is right,
//! and broken in one or a few places.

#[path = "../fuzz/checks.rs"]
mod checks;

use proptest::prelude::*;

/// Pieces put together, then a few bytes overwritten.
fn broken(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => any::<char>().prop_map(|letter| letter.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    let whole = prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat());
    let places = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (whole, places).prop_map(|(mut bytes, places)| {
        for (place, byte) in places {
            if !bytes.is_empty() {
                let at = place.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    })
}

/// A whole file with a few bytes overwritten, and perhaps cut off.
fn spoiled(file: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let places = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let length = file.len();
    (places, prop_oneof![3 => Just(length), 1 => 0..=length]).prop_map(move |(places, end)| {
        let mut bytes = file.clone();
        for (place, byte) in places {
            let at = place.index(length.min(400));
            bytes[at] = byte;
        }
        bytes.truncate(end);
        bytes
    })
}

const TEXT: &[&str] = &[
    "Spain ",
    "لا تنتظر ",
    "سوريا",
    "中国",
    "e\u{301}",
    "\u{200f}",
    "\u{ad}",
    "\u{feff}",
    "😀",
    ". ",
    "؟ ",
    "\n",
    "\r\n\r\n",
    "Share this article\n",
    "<p>",
    "</p>",
    "<script>",
    "&amp;",
    "&#x",
    "\0",
];
const NAMES: &[&str] = &[
    "Syria",
    "سوريا",
    "ال",
    "و",
    "中",
    "Ü",
    "ß",
    ";",
    "\n",
    " ",
    "-",
    "'s",
    "\u{640}",
    "\u{64b}",
    "x",
];
const JSON: &[&str] = &[
    "{\"documents\":[",
    "]}",
    "{\"text\":\"Spain\"}",
    ",",
    "{\"text\":\"\\ud83d\",\"id\":null}",
    "{\"text\":\"a\",\"actors\":[{\"id\":\"x\",\"names\":[\"y\"],\"spans\":[[0,1]]}]}",
    "\"options\":{",
    "\"topic_threshold\":1e-9",
    "\"offset_unit\":\"utf16\"",
    "}",
    "[",
    "{",
    "1e999",
    "\"model\":\"m\"",
    "null",
];
const REGISTRY: &[&str] = &[
    "[[actor]]\n",
    "id = \"a\"\n",
    "id = \"b\"\n",
    "kind = \"state\"\n",
    "kind = \"party\"\n",
    "names.en = [\"A\", \"B\"]\n",
    "names.ar = [\"حماس\"]\n",
    "names = [\"x !\"]\n",
    "cldr = \"SY\"\n",
    "capitals.en = [\"C\"]\n",
    "wikidata = \"Q1\"\n",
    "drop = [\"A\"]\n",
    "{\"actors\":[",
    "]}",
    "{\"id\":\"a\",\"kind\":\"bloc\",\"names\":{\"en\":[\"A\"]}}",
    ",",
];

fn weights() -> Vec<u8> {
    let header = r#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"F16","shape":[3],"data_offsets":[16,22]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &[7; 22]].concat()
}

#[test]
fn what_is_whole_is_read() {
    checks::weights(&weights());
    checks::registry(b"[[actor]]\nid = \"a\"\nkind = \"state\"\nnames.en = [\"A\"]\n");
    checks::request(b"{\"documents\": [{\"text\": \"Spain\"}]}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("STANCE_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
    ))]

    #[test]
    fn text_of_any_bytes(bytes in broken(TEXT)) {
        checks::text(&bytes);
    }

    #[test]
    fn mentions_in_any_bytes(bytes in broken(NAMES)) {
        checks::matcher(&bytes);
    }

    #[test]
    fn requests_of_any_bytes(bytes in broken(JSON)) {
        checks::request(&bytes);
    }

    #[test]
    fn registries_of_any_bytes(bytes in broken(REGISTRY)) {
        checks::registry(&bytes);
    }

    #[test]
    fn weights_of_any_bytes(bytes in spoiled(weights())) {
        checks::weights(&bytes);
    }
}

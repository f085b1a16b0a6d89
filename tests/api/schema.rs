//! The shape of the answer. A change here is a change of the API.

use insta::assert_json_snapshot;
use serde_json::json;
use stance::document::{Document, Options};
use stance::prediction::{AbstainReason, DocumentError, DocumentResult, Prediction};

use crate::support::prediction;

fn sample() -> Prediction {
    let document = Document {
        id: Some("d1".into()),
        ..Document::default()
    };
    prediction(&document, &Options::default())
}

#[test]
fn a_prediction_looks_like_this() {
    assert_json_snapshot!(sample(), @r#"
    {
      "schema_version": "1",
      "id": "d1",
      "language": {
        "code": "en",
        "confidence": 0.75
      },
      "topics": [
        {
          "id": "medtop:11000000",
          "label": "politics and government",
          "probability": 0.5
        }
      ],
      "stances": [
        {
          "actor": {
            "id": "russia",
            "name": "Russia",
            "kind": "state"
          },
          "stance": "against",
          "probabilities": {
            "favor": 0.125,
            "against": 0.625,
            "neutral": 0.25
          },
          "abstained": false,
          "reason": null,
          "mentions": [
            {
              "start": 0,
              "end": 6,
              "text": "Moscow",
              "weak": false
            }
          ],
          "evidence": [
            {
              "start": 0,
              "end": 17,
              "text": "Moscow was wrong.",
              "stance": "against",
              "probability": 0.625
            }
          ]
        }
      ],
      "offset_unit": "char",
      "windows": 1,
      "model": {
        "name": "double",
        "version": "0.1.0",
        "sha256": "abababababababababababababababababababababababababababababababab"
      },
      "warnings": [
        {
          "code": "text_set_aside",
          "message": "12 characters of menus were set aside"
        }
      ]
    }
    "#);
}

#[test]
fn an_abstention_names_its_reason() {
    let mut prediction = sample();
    prediction.stances[0].abstained = true;
    let reasons = [
        (AbstainReason::LowConfidence, "low_confidence"),
        (AbstainReason::NotMentioned, "not_mentioned"),
        (AbstainReason::UnreadableText, "unreadable_text"),
    ];
    for (reason, name) in reasons {
        prediction.stances[0].reason = Some(reason);
        let json = serde_json::to_value(&prediction).unwrap();
        assert_eq!(json["stances"][0]["abstained"], true);
        assert_eq!(json["stances"][0]["reason"], name);
    }
}

#[test]
fn a_failure_has_an_id_and_an_error_and_nothing_else() {
    let failure = DocumentResult::failure(None, DocumentError::new("empty_text", "why"));
    let expected = json!({"id": null, "error": {"code": "empty_text", "message": "why"}});
    assert_eq!(serde_json::to_value(failure).unwrap(), expected);
}

#[test]
fn results_are_read_back_as_what_they_were() {
    let results = [
        DocumentResult::Prediction(Box::new(sample())),
        DocumentResult::failure(Some("d2".into()), DocumentError::new("empty_text", "why")),
    ];
    let text = serde_json::to_string(&results).unwrap();
    let back: Vec<DocumentResult> = serde_json::from_str(&text).unwrap();
    assert_eq!(back, results);
}

//! `POST /v1/classify` when the request is well-formed.

use serde_json::{Value, json};

use crate::support::{Service, texts};

#[tokio::test]
async fn results_come_in_order_with_their_ids_and_the_model() {
    let service = Service::start().await;
    let documents = json!([
        {"id": "b", "text": "Second"}, {"text": "No id"}, {"id": "a", "text": "First"},
        {"id": "b", "text": "The same id again"},
    ]);
    let answer = service.classify(json!({"documents": documents})).await;
    let ids: Vec<&Value> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["id"])
        .collect();
    assert_eq!(ids, [&json!("b"), &Value::Null, &json!("a"), &json!("b")]);
    assert_eq!(answer["model"]["name"], "double");
    assert_eq!(answer["results"][0]["model"], answer["model"]);
}

#[tokio::test]
async fn a_document_that_fails_does_not_harm_its_neighbours() {
    let service = Service::start().await;
    let documents = json!([
        {"id": "good", "text": "Good"}, {"id": "empty", "text": ""},
        {"id": "bad", "text": "panic"}, {"id": "also good", "text": "Good"},
    ]);
    let answer = service.classify(json!({"documents": documents})).await;
    let codes: Vec<&Value> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["error"]["code"])
        .collect();
    let null = &Value::Null;
    assert_eq!(
        codes,
        [null, &json!("empty_text"), &json!("internal_error"), null]
    );
    let failure = &answer["results"][1];
    let keys: Vec<&String> = failure.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error", "id"]);
    assert_eq!(failure["id"], "empty");
    let message = answer["results"][2]["error"]["message"].as_str().unwrap();
    assert!(
        !message.contains("asked to panic"),
        "a panic's message may quote the text"
    );
}

#[tokio::test]
async fn options_reach_the_classifier() {
    let service = Service::start().await;
    let mut request = texts(&["A text"]);
    request["options"] = json!({"offset_unit": "byte"});
    assert_eq!(
        service.classify(request).await["results"][0]["offset_unit"],
        "byte"
    );
    assert_eq!(
        service.classify(texts(&["A"])).await["results"][0]["offset_unit"],
        "char"
    );
}

#[tokio::test]
async fn no_documents_give_no_results() {
    let service = Service::start().await;
    assert_eq!(service.classify(texts(&[])).await["results"], json!([]));
}

#[tokio::test]
async fn a_model_is_asked_for_by_its_name() {
    let service = Service::start().await;
    for name in ["double", "default"] {
        let mut request = texts(&["A text"]);
        request["model"] = json!(name);
        assert_eq!(service.classify(request).await["model"]["name"], "double");
    }
}

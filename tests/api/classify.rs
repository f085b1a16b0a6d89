//! `POST /v1/classify` when the request is well-formed.

use serde_json::{Value, json};

use stance::server::ServedModel;

use crate::support::{Service, double, texts};

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

#[tokio::test]
async fn topics_and_stances_are_parts_of_the_whole_answer() {
    let service = Service::start().await;
    let request = json!({
        "documents": [{"id": "a", "text": "Spain thanked France in Madrid."}, {"text": ""}],
        "options": {"topic_threshold": 0},
    });
    let whole = service.classify(request.clone()).await;
    let topics = service.ask("/v1/topics", request.clone()).await;
    let stance = service.ask("/v1/stance", request).await;
    let prediction = &whole["results"][0];
    assert!(!prediction["stances"].as_array().unwrap().is_empty());
    assert_eq!(topics["results"][0]["topics"], prediction["topics"]);
    assert!(topics["results"][0].get("stances").is_none());
    assert_eq!(stance["results"][0]["stances"], prediction["stances"]);
    assert!(stance["results"][0].get("topics").is_none());
    for part in [&topics, &stance] {
        assert_eq!(part["results"][0]["id"], "a");
        assert_eq!(part["results"][1]["error"]["code"], "empty_text");
        assert_eq!(part["model"], whole["model"]);
    }
}

#[tokio::test]
async fn every_sentence_is_scored_when_asked_for() {
    let service = Service::start().await;
    let mut request = texts(&["Spain thanked France. Nobody answered. France was pleased."]);
    let without = service.classify(request.clone()).await;
    assert!(
        without["results"][0]["stances"][0]
            .get("sentences")
            .is_none()
    );
    request["options"] = json!({"sentence_scores": true, "max_evidence": 0});
    let answer = service.classify(request).await;
    let stances = answer["results"][0]["stances"].as_array().unwrap();
    let france = stances
        .iter()
        .find(|stance| stance["actor"]["name"] == "France")
        .unwrap();
    assert_eq!(france["evidence"], json!([]));
    let sentences: Vec<&str> = france["sentences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sentence| sentence["text"].as_str().unwrap())
        .collect();
    assert_eq!(sentences, ["Spain thanked France.", "France was pleased."]);
}

#[tokio::test]
async fn of_a_page_of_html_the_text_is_judged() {
    let service = Service::start().await;
    let html = "<html><head><script>Germany()</script></head><body><p>Spain &amp; France met.</p>";
    let mut request = texts(&[html, "<script>only()</script>"]);
    request["options"] = json!({"input": "html", "offset_unit": "byte"});
    let answer = service.classify(request).await;
    let prediction = &answer["results"][0];
    let text = prediction["text"].as_str().unwrap();
    assert_eq!(text, "Spain & France met.");
    for stance in prediction["stances"].as_array().unwrap() {
        for mention in stance["mentions"].as_array().unwrap() {
            let at = |end: &str| usize::try_from(mention[end].as_u64().unwrap()).unwrap();
            assert_eq!(mention["text"], text[at("start")..at("end")]);
        }
    }
    assert_eq!(prediction["stances"].as_array().unwrap().len(), 2);
    assert_eq!(answer["results"][1]["error"]["code"], "empty_text");
}

#[tokio::test]
async fn models_side_by_side_are_chosen_by_name_and_swapped_without_a_lost_request() {
    let service = Service::start().await;
    let (held, control) = double();
    let plain = crate::double::predictor(crate::model::tiny);
    service.state.install(vec![
        ServedModel::new("held", held),
        ServedModel::new("plain", plain.clone()),
    ]);
    let listed: Value = service.get("/v1/models").await.json().await.unwrap();
    let listed: Vec<&Value> = listed["models"].as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["default"]),
        (&json!("held"), &json!(true))
    );
    assert_eq!(listed[1]["name"], "tiny");
    let request = service
        .client
        .post(format!("{}/v1/classify", service.url))
        .json(&texts(&["wait"]));
    let waiting = tokio::spawn(async move { request.send().await.unwrap().json().await.unwrap() });
    let control = tokio::task::spawn_blocking(move || {
        control.entered.recv().unwrap();
        control
    });
    let control = control.await.unwrap();
    service.state.install(vec![ServedModel::new("new", plain)]);
    drop(control);
    let answer: Value = waiting.await.unwrap();
    assert!(answer["results"][0]["error"].is_null(), "{answer}");
    assert_eq!(answer["model"]["name"], "double", "by the model it asked");
    let answer = service.classify(texts(&["after the swap"])).await;
    assert_eq!(answer["model"]["name"], "tiny");
    let mut gone = texts(&["a"]);
    gone["model"] = json!("held");
    let response = service.post(gone.to_string()).await;
    service.refused(response, 404, "unknown_model").await;
}

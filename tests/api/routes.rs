//! The other routes: health, models, actors, and the description.

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use stance::actors::Registry;

use crate::support::{Service, problem};

async fn json(service: &Service, path: &str) -> Value {
    let response = service.get(path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert_eq!(
        response.headers()[CONTENT_TYPE],
        "application/json",
        "{path}"
    );
    response.json().await.unwrap()
}

#[tokio::test]
async fn health_is_ok() {
    let service = Service::start().await;
    assert_eq!(
        json(&service, "/health/live").await,
        json!({"status": "ok"})
    );
    assert_eq!(
        json(&service, "/health/ready").await,
        json!({"status": "ok"})
    );
}

#[tokio::test]
async fn the_model_is_listed_with_its_hash() {
    let service = Service::start().await;
    let expected = json!({"id": "default", "name": "double", "version": "0.1.0", "sha256": "ab".repeat(32),
               "default": true});
    assert_eq!(
        json(&service, "/v1/models").await,
        json!({"models": [expected]})
    );
}

fn ids(list: &Value) -> Vec<&str> {
    list["actors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|actor| actor["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn actors_are_listed_in_pages_that_add_up() {
    let service = Service::start().await;
    let total = Registry::embedded().iter().count();
    let expected: Vec<&str> = Registry::embedded()
        .iter()
        .map(|actor| actor.id.as_str())
        .collect();
    let mut seen = Vec::new();
    while seen.len() < total {
        let path = format!("/v1/actors?offset={}&limit=2", seen.len());
        let page = json(&service, &path).await;
        assert_eq!(page["total"], total);
        assert_eq!(page["offset"], seen.len());
        let page = ids(&page);
        assert_eq!(page.len(), 2.min(total - seen.len()));
        seen.extend(page.into_iter().map(str::to_owned));
    }
    assert_eq!(seen, expected);
    let beyond = json(&service, &format!("/v1/actors?offset={total}")).await;
    assert_eq!(
        (ids(&beyond), &beyond["total"]),
        (Vec::new(), &json!(total))
    );
}

#[tokio::test]
async fn actors_are_found_by_name_and_kind() {
    let service = Service::start().await;
    let actor = Registry::embedded().iter().next().unwrap();
    let request = service.client.get(format!("{}/v1/actors", service.url));
    let query = [("query", actor.name("en")), ("kind", actor.kind.as_str())];
    let found: Value = request
        .query(&query)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let entry = found["actors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["id"] == actor.id);
    let entry = entry.unwrap();
    assert_eq!(entry["name"], actor.name("en"));
    assert_eq!(entry["kind"], actor.kind.as_str());
    assert!(
        entry["names"]["en"]
            .as_array()
            .unwrap()
            .iter()
            .any(|name| name["text"] == actor.name("en"))
    );
    let none = json(&service, "/v1/actors?query=no-such-actor-anywhere").await;
    assert_eq!((ids(&none), &none["total"]), (Vec::new(), &json!(0)));
}

#[tokio::test]
async fn a_wrong_query_of_actors_is_a_problem() {
    let service = Service::start().await;
    let queries = [
        "limit=0",
        "limit=1001",
        "limit=many",
        "offset=-1",
        "kind=planet",
        "q=Syria",
    ];
    for query in queries {
        let response = service.get(&format!("/v1/actors?{query}")).await;
        problem(response, 400, "invalid_query").await;
    }
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_lists_every_route() {
    let service = Service::start().await;
    let description = json(&service, "/openapi.json").await;
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1."));
    let paths: Vec<&String> = description["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/health/live",
            "/health/ready",
            "/info",
            "/v1/actors",
            "/v1/classify",
            "/v1/embed",
            "/v1/embeddings",
            "/v1/models",
            "/v1/stance",
            "/v1/topics"
        ]
    );
    assert_eq!(
        references_without_target(&description, &description),
        Vec::<String>::new()
    );
}

/// Every `$ref` of the document that leads nowhere.
fn references_without_target(root: &Value, value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(target) if name == "$ref" => {
                    let found = root.pointer(target.trim_start_matches('#')).is_some();
                    if found {
                        Vec::new()
                    } else {
                        vec![target.to_owned()]
                    }
                }
                _ => references_without_target(root, value),
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .flat_map(|item| references_without_target(root, item))
            .collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn the_page_at_docs_asks_nobody_else() {
    let service = Service::start().await;
    let page = service.get("/docs").await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.unwrap();
    assert!(page.contains("swagger-ui"), "{page}");
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "{page}"
    );
    for file in [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-initializer.js",
    ] {
        let response = service.get(&format!("/docs/{file}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{file}");
    }
    let start = service
        .get("/docs/swagger-initializer.js")
        .await
        .text()
        .await
        .unwrap();
    assert!(start.contains("/openapi.json"), "{start}");
    assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
}

#[tokio::test]
async fn the_playground_brings_everything_along() {
    let service = Service::start().await;
    let page = service.get("/").await;
    assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    let page = page.text().await.unwrap();
    let files = page
        .split(['"'])
        .filter(|part| part.starts_with("/assets/"));
    let (mut seen, mut bytes) = (0, page.len());
    for file in files.chain(["/assets/samples.json"]) {
        let answer = service.get(file).await;
        assert_eq!(answer.status(), StatusCode::OK, "{file}");
        bytes += answer.bytes().await.unwrap().len();
        seen += 1;
    }
    assert_eq!(seen, 3);
    assert!(bytes < 200_000, "{bytes} bytes");
    let samples = json(&service, "/assets/samples.json").await;
    assert!(samples.as_array().unwrap().len() >= 8);
}

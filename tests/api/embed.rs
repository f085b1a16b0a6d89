//! Texts as vectors.

use serde_json::{Value, json};

use crate::support::{Service, problem};

fn numbers(vector: &Value) -> Vec<f64> {
    vector
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

#[tokio::test]
async fn vectors_have_length_one_and_errors_keep_their_place() {
    let service = Service::start().await;
    let texts = json!([
        "Spain is a country.",
        "",
        "Spain is a country.",
        "Something else."
    ]);
    let answer = service.ask("/v1/embed", json!({"texts": texts})).await;
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    assert_eq!(results[1]["error"]["code"], "empty_text");
    let vectors = [0, 2, 3].map(|at: usize| numbers(&results[at]["vector"]));
    for vector in &vectors {
        let length: f64 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
    }
    let apart = |a: &[f64], b: &[f64]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max)
    };
    assert!(apart(&vectors[0], &vectors[1]) < 1e-5);
    assert!(apart(&vectors[0], &vectors[2]) > 1e-3);
}

#[tokio::test]
async fn embeddings_have_the_shape_of_openai() {
    let service = Service::start().await;
    let plain = service.ask("/v1/embed", json!({"texts": ["One."]})).await;
    let plain = numbers(&plain["results"][0]["vector"]);
    let request = json!({"input": "One.", "model": "double", "user": "u"});
    let answer = service.ask("/v1/embeddings", request).await;
    assert_eq!(
        (&answer["object"], &answer["model"]),
        (&json!("list"), &json!("double"))
    );
    let entry = &answer["data"][0];
    assert_eq!(
        (&entry["object"], &entry["index"]),
        (&json!("embedding"), &json!(0))
    );
    assert_eq!(numbers(&entry["embedding"]), plain);
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 2);
    assert_eq!(
        answer["usage"]["total_tokens"],
        answer["usage"]["prompt_tokens"]
    );

    let request = json!({"input": ["One.", "Two."], "encoding_format": "base64"});
    let answer = service.ask("/v1/embeddings", request).await;
    assert_eq!(answer["data"][1]["index"], 1);
    let encoded = answer["data"][0]["embedding"].as_str().unwrap();
    assert_eq!(encoded.len(), (plain.len() * 4).div_ceil(3) * 4);

    let width = plain.len();
    let right = json!({"input": "One.", "dimensions": width});
    service.ask("/v1/embeddings", right).await;
    for (request, status, code, field) in [
        (
            json!({"input": "One.", "dimensions": width + 1}),
            422,
            "invalid_value",
            "dimensions",
        ),
        (
            json!({"input": ["One.", ""]}),
            422,
            "empty_text",
            "input[1]",
        ),
        (json!({"input": [[1, 2, 3]]}), 422, "invalid_value", "input"),
    ] {
        let response = service.post_to("/v1/embeddings", request.to_string()).await;
        let body = problem(response, status, code).await;
        assert_eq!(body["field"], field, "{body}");
    }
}

//! Configurations as the hub has them, and ones that must be refused.

use serde_json::{Value, json};

use super::*;
use crate::error::ErrorCode;

fn minilm() -> Value {
    json!({
        "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1,
        "model_type": "bert", "vocab_size": 30522, "hidden_size": 384,
        "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
        "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        "pad_token_id": 0, "hidden_act": "gelu", "position_embedding_type": "absolute"
    })
}

fn parse(value: &Value) -> Result<EncoderConfig, EncoderError> {
    EncoderConfig::from_json(value.to_string().as_bytes())
}

fn refused(field: &str, value: Value) -> String {
    let mut config = minilm();
    config[field] = value;
    let error = parse(&config).expect_err(field);
    assert_eq!(error.code(), "invalid_config");
    let message = error.to_string();
    assert!(message.contains(field), "{message} does not name {field}");
    message
}

#[test]
fn reads_bert_and_its_round_trip() {
    let config = parse(&minilm()).expect("valid");
    assert_eq!(config.architecture, Architecture::Bert);
    assert_eq!((config.position_offset(), config.max_tokens()), (0, 512));
    assert_eq!(config.head_size(), 32);
    assert_eq!(parse(&config.to_json()).expect("own JSON"), config);
}

#[test]
fn roberta_positions_start_after_the_padding_id() {
    let mut raw = minilm();
    raw["model_type"] = json!("xlm-roberta");
    raw["max_position_embeddings"] = json!(514);
    raw["pad_token_id"] = json!(1);
    let config = parse(&raw).expect("valid");
    assert_eq!((config.position_offset(), config.max_tokens()), (2, 512));
    raw.as_object_mut().expect("object").remove("pad_token_id");
    assert_eq!(parse(&raw).expect("default").pad_token_id, 1);
}

#[test]
fn refuses_what_does_not_fit() {
    assert!(refused("num_attention_heads", json!(7)).contains("384"));
    refused("hidden_size", json!(0));
    refused("pad_token_id", json!(30522));
    refused("layer_norm_eps", json!(0.0));
    refused("hidden_act", json!("swish"));
    refused("position_embedding_type", json!("relative_key"));
    refused("is_decoder", json!(true));
    assert!(refused("model_type", json!("gpt2")).contains("xlm-roberta"));
    refused("vocab_size", Value::Null);
}

#[test]
fn refuses_what_is_no_json_object() {
    for bytes in [&b""[..], b"[]", b"{\"hidden_size\": -1}", b"\xff"] {
        let error = EncoderConfig::from_json(bytes).expect_err("refused");
        assert_eq!(error.code(), "invalid_config");
    }
}

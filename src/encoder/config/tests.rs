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

fn round_trip(raw: &Value) -> EncoderConfig {
    let config = parse(raw).expect("valid");
    assert_eq!(parse(&config.to_json()).expect("own JSON"), config);
    config
}

/// The fields of distilbert-base-multilingual-cased that matter.
#[test]
fn reads_distilbert() {
    let config = round_trip(&json!({
        "model_type": "distilbert", "activation": "gelu", "dim": 768, "hidden_dim": 3072,
        "max_position_embeddings": 512, "n_heads": 12, "n_layers": 6, "pad_token_id": 0,
        "sinusoidal_pos_embds": false, "vocab_size": 119_547
    }));
    assert_eq!((config.hidden_size, config.intermediate_size), (768, 3072));
    assert_eq!((config.num_hidden_layers, config.max_tokens()), (6, 512));
}

/// The `config.json` of microsoft/mdeberta-v3-base, as published.
#[test]
fn reads_mdeberta_and_refuses_what_is_not_computed() {
    let raw = json!({
        "model_type": "deberta-v2", "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02,
        "intermediate_size": 3072, "max_position_embeddings": 512, "relative_attention": true,
        "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": true,
        "pos_att_type": "p2c|c2p", "layer_norm_eps": 1e-7, "max_relative_positions": -1,
        "position_biased_input": false, "num_attention_heads": 12, "num_hidden_layers": 12,
        "type_vocab_size": 0, "vocab_size": 251_000
    });
    let config = round_trip(&raw);
    let Family::Deberta(deberta) = &config.family else {
        unreachable!("it is DeBERTa");
    };
    let distances = deberta.distances.expect("relative");
    assert_eq!(
        (distances.span(), distances.max_relative_positions),
        (256, 512)
    );
    assert!(distances.share_att_key && distances.layer_norm);
    assert!(deberta.content_to_position && deberta.position_to_content);
    assert!(!deberta.position_biased_input && deberta.convolution.is_none());
    for (field, value) in [
        ("pos_att_type", json!("p2p")),
        ("pos_att_type", json!(3)),
        ("attention_head_size", json!(32)),
        ("position_buckets", json!(2)),
        ("position_buckets", json!(1024)),
    ] {
        let mut other = raw.clone();
        other[field] = value;
        let error = parse(&other).expect_err(field);
        assert!(error.to_string().contains(field), "{error}");
    }
    let mut other = raw.clone();
    other["conv_kernel_size"] = json!(3);
    assert!(
        parse(&other)
            .expect_err("tanh")
            .to_string()
            .contains("conv_act")
    );
    other["conv_act"] = json!("gelu");
    other["conv_groups"] = json!(2);
    assert!(
        parse(&other)
            .expect_err("groups")
            .to_string()
            .contains("conv_groups")
    );
}

#[test]
fn reads_modernbert_of_both_versions_of_transformers() {
    let raw = json!({
        "model_type": "modernbert", "vocab_size": 256_000, "hidden_size": 384,
        "intermediate_size": 1152, "num_hidden_layers": 4, "num_attention_heads": 6,
        "hidden_activation": "gelu", "max_position_embeddings": 8192, "norm_eps": 1e-5,
        "layer_norm_eps": 1e-5, "norm_bias": false, "attention_bias": false, "mlp_bias": false,
        "pad_token_id": 0, "global_attn_every_n_layers": 3, "local_attention": 128,
        "global_rope_theta": 160_000.0, "position_embedding_type": "sans_pos"
    });
    let modern = |raw: &Value| match round_trip(raw).family {
        Family::ModernBert(modern) => modern,
        other => unreachable!("{other:?}"),
    };
    let config = modern(&raw);
    assert_eq!(config.local_layers, [false, true, true, false]);
    let same = |a: f64, b: f64| (a - b).abs() < f64::EPSILON;
    assert!(same(config.local_rope_theta, 10_000.0));
    let mut null = raw.clone();
    null["local_rope_theta"] = Value::Null;
    assert!(same(modern(&null).local_rope_theta, 160_000.0));
    let mut newer = raw.clone();
    newer["layer_types"] = json!([
        "full_attention",
        "sliding_attention",
        "sliding_attention",
        "full_attention"
    ]);
    newer["rope_parameters"] = json!({
        "full_attention": {"rope_type": "default", "rope_theta": 160_000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0}
    });
    assert_eq!(modern(&newer), config);
    newer["rope_parameters"]["full_attention"]["rope_type"] = json!("yarn");
    assert!(
        parse(&newer)
            .expect_err("yarn")
            .to_string()
            .contains("rope_parameters")
    );
    let mut short = raw;
    short["layer_types"] = json!(["full_attention"]);
    assert!(
        parse(&short)
            .expect_err("short")
            .to_string()
            .contains("layer_types")
    );
}

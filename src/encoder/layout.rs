//! Which tensors an encoder is made of, and under which names checkpoints keep them.

use super::config::{Architecture, DebertaConfig, EncoderConfig, Family, ModernBertConfig};

/// Names and shapes of an encoder's tensors, as Hugging Face transformers names them in a bare
/// `BertModel`, `RobertaModel`, `XLMRobertaModel`, `DebertaV2Model` or `ModernBertModel`.
/// `DistilBERT`'s go by the names of BERT. Linear weights are `[out, in]`.
pub fn expected_tensors(config: &EncoderConfig) -> Vec<(String, Vec<usize>)> {
    let mut list = List(Vec::new());
    match &config.family {
        Family::Bert => list.bert(config),
        Family::Deberta(deberta) => list.deberta(config, deberta),
        Family::ModernBert(modern) => list.modernbert(config, modern),
    }
    list.0
}

/// Name of the word embeddings among [`expected_tensors`].
pub(super) fn word_embeddings(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::ModernBert => "embeddings.tok_embeddings.weight",
        _ => "embeddings.word_embeddings.weight",
    }
}

/// Whether zeros stand in for a tensor that checkpoints of this family do not have.
pub(super) fn is_absent(architecture: Architecture, name: &str) -> bool {
    architecture == Architecture::DistilBert && name == "embeddings.token_type_embeddings.weight"
}

/// Other names of a tensor in a file. Checkpoints converted from TensorFlow, `bert-base-uncased`
/// among them, call the weight and bias of layer normalisation `gamma` and `beta`; `DistilBERT`
/// has names of its own.
pub(super) fn other_name(architecture: Architecture, name: &str) -> Option<String> {
    let inside = name.strip_prefix("encoder.layer.");
    let (Architecture::DistilBert, Some(rest)) = (architecture, inside) else {
        let legacy = |norm, part| Some(format!("{norm}LayerNorm.{part}"));
        return match (
            name.strip_suffix("LayerNorm.weight"),
            name.strip_suffix("LayerNorm.bias"),
        ) {
            (Some(norm), _) => legacy(norm, "gamma"),
            (_, Some(norm)) => legacy(norm, "beta"),
            _ => None,
        };
    };
    let (layer, rest) = rest.split_once('.')?;
    let (module, part) = rest.rsplit_once('.')?;
    let module = match module {
        "attention.self.query" => "attention.q_lin",
        "attention.self.key" => "attention.k_lin",
        "attention.self.value" => "attention.v_lin",
        "attention.output.dense" => "attention.out_lin",
        "attention.output.LayerNorm" => "sa_layer_norm",
        "intermediate.dense" => "ffn.lin1",
        "output.dense" => "ffn.lin2",
        "output.LayerNorm" => "output_layer_norm",
        _ => return None,
    };
    Some(format!("transformer.layer.{layer}.{module}.{part}"))
}

struct List(Vec<(String, Vec<usize>)>);

impl List {
    fn add(&mut self, name: impl Into<String>, shape: impl Into<Vec<usize>>) {
        self.0.push((name.into(), shape.into()));
    }

    fn dense(&mut self, name: &str, outputs: usize, inputs: usize, bias: bool) {
        self.add(format!("{name}.weight"), [outputs, inputs]);
        if bias {
            self.add(format!("{name}.bias"), [outputs]);
        }
    }

    fn norm(&mut self, name: &str, width: usize, bias: bool) {
        self.add(format!("{name}.weight"), [width]);
        if bias {
            self.add(format!("{name}.bias"), [width]);
        }
    }

    fn bert(&mut self, config: &EncoderConfig) {
        let hidden = config.hidden_size;
        for (name, rows) in [
            ("word", config.vocab_size),
            ("position", config.max_position_embeddings),
            ("token_type", config.type_vocab_size),
        ] {
            self.add(
                format!("embeddings.{name}_embeddings.weight"),
                [rows, hidden],
            );
        }
        self.norm("embeddings.LayerNorm", hidden, true);
        for layer in 0..config.num_hidden_layers {
            let base = format!("encoder.layer.{layer}");
            self.block(&base, &["query", "key", "value"], config);
        }
    }

    /// A layer of BERT and `DeBERTa`, which differ in the projections of their attention.
    fn block(&mut self, base: &str, projections: &[&str], config: &EncoderConfig) {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        for part in projections {
            self.dense(
                &format!("{base}.attention.self.{part}"),
                hidden,
                hidden,
                true,
            );
        }
        self.dense(
            &format!("{base}.attention.output.dense"),
            hidden,
            hidden,
            true,
        );
        self.norm(&format!("{base}.attention.output.LayerNorm"), hidden, true);
        self.dense(&format!("{base}.intermediate.dense"), wide, hidden, true);
        self.dense(&format!("{base}.output.dense"), hidden, wide, true);
        self.norm(&format!("{base}.output.LayerNorm"), hidden, true);
    }

    fn deberta(&mut self, config: &EncoderConfig, deberta: &DebertaConfig) {
        let (hidden, narrow) = (config.hidden_size, deberta.embedding_size);
        for (name, rows) in [
            ("word", config.vocab_size),
            (
                "position",
                if deberta.position_biased_input {
                    config.max_position_embeddings
                } else {
                    0
                },
            ),
            ("token_type", config.type_vocab_size),
        ] {
            if rows > 0 {
                self.add(
                    format!("embeddings.{name}_embeddings.weight"),
                    [rows, narrow],
                );
            }
        }
        if narrow != hidden {
            self.dense("embeddings.embed_proj", hidden, narrow, false);
        }
        self.norm("embeddings.LayerNorm", hidden, true);
        let mut projections = vec!["query_proj", "key_proj", "value_proj"];
        if let Some(distances) = &deberta.distances {
            self.add(
                "encoder.rel_embeddings.weight",
                [2 * distances.span(), hidden],
            );
            if distances.layer_norm {
                self.norm("encoder.LayerNorm", hidden, true);
            }
            if !distances.share_att_key {
                if deberta.content_to_position {
                    projections.push("pos_key_proj");
                }
                if deberta.position_to_content {
                    projections.push("pos_query_proj");
                }
            }
        }
        if let Some((size, _)) = deberta.convolution {
            self.add("encoder.conv.conv.weight", [hidden, hidden, size]);
            self.add("encoder.conv.conv.bias", [hidden]);
            self.norm("encoder.conv.LayerNorm", hidden, true);
        }
        for layer in 0..config.num_hidden_layers {
            let base = format!("encoder.layer.{layer}");
            self.block(&base, &projections, config);
        }
    }

    fn modernbert(&mut self, config: &EncoderConfig, modern: &ModernBertConfig) {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        self.add(
            word_embeddings(config.architecture),
            [config.vocab_size, hidden],
        );
        self.norm("embeddings.norm", hidden, modern.norm_bias);
        for layer in 0..config.num_hidden_layers {
            let base = format!("layers.{layer}");
            // The embeddings are normalised already.
            if layer > 0 {
                self.norm(&format!("{base}.attn_norm"), hidden, modern.norm_bias);
            }
            self.dense(
                &format!("{base}.attn.Wqkv"),
                3 * hidden,
                hidden,
                modern.attention_bias,
            );
            self.dense(
                &format!("{base}.attn.Wo"),
                hidden,
                hidden,
                modern.attention_bias,
            );
            self.norm(&format!("{base}.mlp_norm"), hidden, modern.norm_bias);
            self.dense(&format!("{base}.mlp.Wi"), 2 * wide, hidden, modern.mlp_bias);
            self.dense(&format!("{base}.mlp.Wo"), hidden, wide, modern.mlp_bias);
        }
        self.norm("final_norm", hidden, modern.norm_bias);
    }
}

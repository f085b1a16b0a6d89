//! A queue in which flows take turns: one item from each, round and round.

use std::collections::VecDeque;

/// Items by flow, in the order in which the flows are to be served.
#[derive(Debug)]
pub(super) struct Turns<T> {
    flows: VecDeque<(u64, VecDeque<T>)>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            flows: VecDeque::new(),
        }
    }
}

impl<T> Turns<T> {
    /// Puts an item behind the others of its flow.
    pub(super) fn push(&mut self, flow: u64, item: T) {
        match self.flows.iter_mut().find(|(number, _)| *number == flow) {
            Some((_, items)) => items.push_back(item),
            None => self.flows.push_back((flow, VecDeque::from([item]))),
        }
    }

    /// Takes an item from the flow that has waited longest.
    pub(super) fn pop(&mut self) -> Option<T> {
        let (flow, mut items) = self.flows.pop_front()?;
        let item = items.pop_front();
        if !items.is_empty() {
            self.flows.push_back((flow, items));
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;

    #[test]
    fn flows_take_turns_and_keep_their_own_order() {
        let mut turns = Turns::default();
        for item in ["a1", "a2", "a3"] {
            turns.push(1, item);
        }
        turns.push(2, "b1");
        let mut taken: Vec<&str> = (0..2).filter_map(|_| turns.pop()).collect();
        turns.push(2, "b2");
        taken.extend(std::iter::from_fn(|| turns.pop()));
        assert_eq!(taken, ["a1", "b1", "a2", "b2", "a3"]);
        assert_eq!(turns.pop(), None);
    }
}

//! Which sequences go through the encoder together.

/// Groups sequences into batches of at most `budget` tokens, longest first, so that one batch
/// holds sequences of like length. A sequence longer than the budget gets a batch of its own.
/// Every index of `lengths` stands in exactly one batch.
pub fn plan(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(lengths[i]), i));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut used = 0;
    for i in order {
        match batches.last_mut() {
            Some(batch) if used + lengths[i] <= budget => batch.push(i),
            _ => {
                batches.push(vec![i]);
                used = 0;
            }
        }
        used += lengths[i];
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::plan;

    #[test]
    fn every_sequence_once_within_the_budget() {
        let lengths = [5, 300, 12, 7, 90, 12, 1];
        let batches = plan(&lengths, 100);
        let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        for batch in &batches {
            let tokens: usize = batch.iter().map(|&i| lengths[i]).sum();
            assert!(tokens <= 100 || batch.len() == 1, "{batch:?}");
        }
        assert!(plan(&[], 100).is_empty());
    }
}

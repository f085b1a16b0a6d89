//! Windows: stretches of tokens that the encoder reads at once.

use std::ops::Range;

/// Plans windows over the concatenated tokens of a text's sentences.
///
/// - `sentence_tokens`: tokens of each sentence, in order;
/// - `max_tokens`: the most tokens of a window, special tokens not counted (at least 1);
/// - `overlap`: how many tokens two consecutive windows may share.
///
/// Windows are cut at sentence ends, and the next one repeats as many whole sentences as fit
/// into `overlap` and still let it reach further than the one before. A sentence of more than
/// `max_tokens` tokens is read on its own, cut by tokens, with `overlap` tokens (at most half a
/// window) shared. Every token is in at least one window; no window is empty; starts and ends
/// both increase.
pub fn windows(sentence_tokens: &[usize], max_tokens: usize, overlap: usize) -> Vec<Range<usize>> {
    let max = max_tokens.max(1);
    // Ends of the sentences, in tokens; sentences without tokens do not matter.
    let mut ends = Vec::with_capacity(sentence_tokens.len() + 1);
    ends.push(0);
    let mut total = 0;
    for &tokens in sentence_tokens.iter().filter(|&&tokens| tokens > 0) {
        total += tokens;
        ends.push(total);
    }
    let mut planned = Vec::new();
    // Index into `ends` of the first sentence of the next window, and of the first unread one.
    let (mut from, mut unread) = (0, 0);
    while ends[unread] < total {
        let start = ends[from];
        // As many whole sentences as fit.
        let mut to = unread;
        while to + 1 < ends.len() && ends[to + 1] - start <= max {
            to += 1;
        }
        if to == unread {
            // Only a sentence longer than a window is left unread here: `from` was chosen so
            // that any other one fits.
            cut_long(ends[unread]..ends[unread + 1], max, overlap, &mut planned);
            unread += 1;
            from = unread;
            continue;
        }
        planned.push(start..ends[to]);
        unread = to;
        from = unread;
        // Step back over whole sentences as long as the next unread one still fits.
        let next = ends.get(unread + 1).copied().unwrap_or(total);
        while from > 0
            && ends[unread] - ends[from - 1] <= overlap
            && next - ends[from - 1] <= max
            && ends[from - 1] > start
        {
            from -= 1;
        }
    }
    planned
}

/// Cuts one long sentence into windows of `max` tokens.
fn cut_long(tokens: Range<usize>, max: usize, overlap: usize, planned: &mut Vec<Range<usize>>) {
    let step = max - overlap.min(max / 2);
    let mut start = tokens.start;
    loop {
        let end = (start + max).min(tokens.end);
        planned.push(start..end);
        if end == tokens.end {
            return;
        }
        start += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_text_is_one_window() {
        assert_eq!(
            windows(&[10, 20, 30], 100, 10).as_slice(),
            std::slice::from_ref(&(0..60))
        );
        assert!(windows(&[], 100, 10).is_empty());
        assert!(windows(&[0, 0], 100, 10).is_empty());
    }

    #[test]
    fn cuts_at_sentence_ends_and_repeats_whole_sentences() {
        assert_eq!(windows(&[40, 40, 15, 40, 40], 100, 20), [0..95, 80..175]);
        assert_eq!(windows(&[40, 40, 15, 40, 40], 100, 10), [0..95, 95..175]);
    }

    #[test]
    fn a_long_sentence_is_cut_by_tokens() {
        assert_eq!(
            windows(&[10, 250, 10], 100, 20),
            [0..10, 10..110, 90..190, 170..260, 260..270]
        );
    }

    #[test]
    fn an_overlap_as_large_as_the_window_still_progresses() {
        assert_eq!(windows(&[5], 2, 2), [0..2, 1..3, 2..4, 3..5]);
        assert_eq!(windows(&[1, 1, 1], 2, 9), [0..2, 1..3]);
        assert_eq!(windows(&[3], 0, 0), [0..1, 1..2, 2..3]);
    }

    proptest! {
        #[test]
        fn every_token_is_read_and_windows_progress(
            tokens in prop::collection::vec(0usize..60, 0..60), max in 1usize..50, overlap in 0usize..60,
        ) {
            let planned = windows(&tokens, max, overlap);
            let total: usize = tokens.iter().sum();
            let mut ends = vec![0];
            for count in &tokens { ends.push(ends.last().unwrap() + count); }
            let mut read = 0;
            let mut last_start = None;
            for window in &planned {
                prop_assert!(!window.is_empty() && window.len() <= max);
                prop_assert!(window.start <= read, "gap before {window:?}");
                prop_assert!(window.end > read, "no progress in {window:?}");
                prop_assert!(last_start < Some(window.start));
                prop_assert!(read - window.start <= overlap, "too much overlap");
                // Inside a sentence only when that sentence is longer than a window.
                for edge in [window.start, window.end] {
                    if let Some(at) = ends.windows(2).position(|pair| pair[0] < edge && edge < pair[1]) {
                        prop_assert!(tokens[at] > max);
                    }
                }
                last_start = Some(window.start);
                read = window.end;
            }
            prop_assert_eq!(read, total);
        }
    }
}

//! How threads divide a batch among them, by its tokens and theirs.

use super::CHUNK;

/// Tokens after which a group takes no further sequence.
const GROUP: usize = 128;

/// Tokens up to which threads stay with a batch of several groups: its pass is over before the system has
/// given threads that were asleep a processor each.
const BRIEF: usize = 1024;

/// Tokens up to which threads share the weights and not the rows: those are longer to read than these to
/// multiply.
const SHORT: usize = 40;

/// Threads that share the weights at the most: more would wait for memory, and for each other.
const SHARERS: usize = 16;

/// What a thread takes at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Division {
    /// Columns of the weights, for all rows.
    Columns,
    /// Groups of whole sequences, of which there are so many.
    Groups {
        /// All of them.
        count: usize,
    },
    /// Chunks of the whole batch.
    Chunks {
        /// Rows of a chunk.
        rows: usize,
        /// All chunks.
        count: usize,
    },
    /// Groups, and chunks of a group, whichever thread of the pool comes by; none stays with the batch.
    Pool,
}

impl Division {
    /// How the threads of this pool divide a batch of these groups.
    pub fn of(groups: &[Vec<usize>]) -> Self {
        let threads = rayon::current_num_threads();
        let tokens = groups.iter().map(|group| tokens(group)).sum();
        if groups.len() > 1 && tokens > BRIEF {
            Self::Pool
        } else if tokens <= SHORT && threads > 1 {
            Self::Columns
        } else if even(groups, threads) {
            let count = groups.len();
            Self::Groups { count }
        } else {
            let rows = chunk_rows(tokens, threads);
            let count = tokens.div_ceil(rows);
            Self::Chunks { rows, count }
        }
    }

    /// Threads beside the first that are of use from the first layer to the last.
    pub fn helpers(self) -> usize {
        let sharers = match self {
            Self::Columns => SHARERS,
            Self::Groups { count } | Self::Chunks { count, .. } => count,
            Self::Pool => 1,
        };
        sharers.saturating_sub(1)
    }
}

/// Cuts a batch into groups of whole sequences that pass a layer together, and gives each group's
/// offsets. A group is of about as many tokens as let what attention reads stay in the cache of a core,
/// and of fewer where there would not be two for every thread.
pub fn groups(offsets: &[usize]) -> Vec<Vec<usize>> {
    let tokens = offsets.last().copied().unwrap_or(0);
    let enough = tokens
        .div_ceil(2 * rayon::current_num_threads())
        .clamp(CHUNK, GROUP);
    let mut groups = Vec::new();
    let (mut group, mut start) = (vec![0], 0);
    for &end in offsets.iter().skip(1) {
        group.push(end - start);
        if end - start >= enough {
            groups.push(std::mem::replace(&mut group, vec![0]));
            start = end;
        }
    }
    if group.len() > 1 {
        groups.push(group);
    }
    groups
}

/// Tokens of a group.
fn tokens(group: &[usize]) -> usize {
    group.last().copied().unwrap_or(0)
}

/// Whether threads that take a group each, and then another, are busy about as long.
fn even(groups: &[Vec<usize>], threads: usize) -> bool {
    let all: usize = groups.iter().map(|group| tokens(group)).sum();
    let longest = longest(groups.iter().rev().map(|group| tokens(group)), threads);
    8 * longest * threads <= 9 * all
}

/// Rows per chunk where one group is all there is: such that the thread with the most has the fewest. These
/// are the numbers of rows that the kernels take without a rest; of fewer, waking a thread takes longer.
fn chunk_rows(tokens: usize, threads: usize) -> usize {
    let most = |rows: usize| {
        let full = std::iter::repeat_n(rows, tokens / rows);
        longest(std::iter::once(tokens % rows).chain(full), threads)
    };
    let sizes = [CHUNK, 32, 24].into_iter();
    sizes.min_by_key(|&rows| most(rows)).unwrap_or(CHUNK)
}

/// What the busiest of so many threads has done when each has taken a part, and the first that was ready
/// another one.
fn longest(parts: impl Iterator<Item = usize>, threads: usize) -> usize {
    let mut loads = vec![0; threads];
    for part in parts {
        if let Some(least) = loads.iter_mut().min() {
            *least += part;
        }
    }
    loads.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Division, GROUP, chunk_rows, even, groups};

    fn with<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("a pool").install(work)
    }

    fn run(threads: usize, lengths: &[usize]) -> Vec<Vec<usize>> {
        let mut offsets = vec![0];
        for length in lengths {
            offsets.push(offsets[offsets.len() - 1] + length);
        }
        with(threads, || groups(&offsets))
    }

    #[test]
    fn groups_hold_every_sequence_once_in_order() {
        let lengths = [12, 200, 35, 0, 78, 23, 150, 61, 512, 19, 110, 3];
        for threads in [1, 2, 7] {
            let groups = run(threads, &lengths);
            let found: Vec<usize> = groups
                .iter()
                .flat_map(|ends| ends.windows(2).map(|pair| pair[1] - pair[0]))
                .collect();
            assert_eq!(found, lengths);
            let (_, all_but_last) = groups.split_last().expect("a group");
            for ends in all_but_last {
                let before_last = ends[ends.len() - 2];
                assert!(ends[0] == 0 && before_last < GROUP);
                assert!(ends[ends.len() - 1] >= CHUNK);
            }
        }
    }

    #[test]
    fn every_thread_gets_two_groups_where_the_batch_is_short() {
        assert_eq!(run(2, &[16; 16]).len(), 4);
        assert_eq!(run(1, &[16; 16]).len(), 2);
        assert_eq!(run(2, &[512]).len(), 1);
        assert!(run(2, &[]).is_empty());
    }

    #[test]
    fn groups_are_even_where_no_thread_waits_long() {
        assert!(even(&run(2, &[16; 16]), 2));
        assert!(even(&run(2, &[128, 128]), 2));
        assert!(even(&run(2, &[100, 48, 52]), 2));
        assert!(!even(&run(2, &[128, 90]), 2));
        assert!(!even(&run(2, &[100; 3]), 2));
        assert!(!even(&run(3, &[100, 100]), 3));
        assert!(!even(&run(2, &[512]), 2));
        assert!(even(&run(1, &[512]), 1));
    }

    #[test]
    fn chunks_are_large_where_every_thread_gets_as_much() {
        for (threads, tokens, rows) in [
            (1, 300, 48),
            (2, 300, 48),
            (2, 200, 48),
            (2, 128, 32),
            (2, 45, 24),
            (16, 512, 32),
            (64, 512, 24),
        ] {
            assert_eq!(
                chunk_rows(tokens, threads),
                rows,
                "{tokens} tokens, {threads} threads"
            );
        }
    }

    #[test]
    fn a_batch_is_divided_by_its_length_and_the_threads() {
        for (threads, lengths, division) in [
            (1, &[16][..], Division::Groups { count: 1 }),
            (2, &[16], Division::Columns),
            (2, &[16; 16], Division::Groups { count: 4 }),
            (2, &[128], Division::Chunks { rows: 32, count: 4 }),
            (
                2,
                &[512],
                Division::Chunks {
                    rows: 32,
                    count: 16,
                },
            ),
            (2, &[128; 8], Division::Groups { count: 8 }),
            (2, &[128; 9], Division::Pool),
            (
                2,
                &[2048],
                Division::Chunks {
                    rows: 32,
                    count: 64,
                },
            ),
            (2, &[], Division::Columns),
        ] {
            let groups = run(threads, lengths);
            let found = with(threads, || Division::of(&groups));
            assert_eq!(found, division, "{lengths:?}, {threads} threads");
        }
    }
}

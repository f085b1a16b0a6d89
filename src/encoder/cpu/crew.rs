//! Threads of the pool that stay with a text, or a few, from the first step to the last.
//!
//! A step of a short text takes some tens of microseconds, less than it takes to wake a thread whose
//! processor has gone to sleep. So the pool is asked once, and between two steps the threads wait
//! awake. Nobody is relied on: parts that no other thread has come for, the thread that leads computes
//! by itself, so that a pool with other work, or of one thread, gives the same results, only later.

mod apart;

use std::cell::UnsafeCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use apart::Processor;
use rayon::prelude::*;

/// Looks at a value that another thread is about to change, before the processor is given away.
const LOOKS: usize = 1 << 12;

/// A call by part, `0..parts`.
type Call = *const (dyn Fn(usize) + Sync);

/// What the threads of a text share.
pub struct Crew {
    /// The round in the upper half, and the parts of it that are still to be taken in the lower.
    left: AtomicU64,
    /// Parts of the round that are not finished.
    unfinished: AtomicUsize,
    /// What to do with a part; valid while a part of the round is unfinished.
    call: UnsafeCell<Option<Call>>,
    over: AtomicBool,
    /// The leader's number in the pool, and where it began.
    leader: Option<usize>,
    processor: Processor,
}

// SAFETY: `call` is written by `Leader::run` alone, of which there is one and which takes `&mut self`, between
// two rounds, when no part can be taken; it is read by who has taken a part, before finishing it.
unsafe impl Sync for Crew {}

/// The one who gives out the parts.
pub struct Leader<'a> {
    crew: &'a Crew,
    threads: usize,
}

/// Who computes the parts of a step.
pub trait Share {
    /// Calls `part` with every number below `parts`, each once, and returns when all calls have.
    fn run(&mut self, parts: usize, part: impl Fn(usize) + Sync);

    /// Calls `work` with every item, each once, and returns when all calls have.
    fn each<T: Send>(&mut self, items: impl Iterator<Item = T>, work: impl Fn(T) + Sync) {
        let items: Vec<_> = items.map(|item| Mutex::new(Some(item))).collect();
        self.run(items.len(), |part| {
            // Nobody else has the part, and nobody panics between the lock's beginning and its end.
            let item = items[part].lock().ok().and_then(|mut item| item.take());
            if let Some(item) = item {
                work(item);
            }
        });
    }
}

/// Whichever threads of the pool come by: for steps that are shared among threads already.
#[derive(Clone, Copy)]
pub struct Pool;

impl Share for Pool {
    fn run(&mut self, parts: usize, part: impl Fn(usize) + Sync) {
        (0..parts).into_par_iter().for_each(&part);
    }
}

/// Nobody but the calling thread: within a part of a leader's round, whose helpers would not come.
#[derive(Clone, Copy)]
pub struct Alone;

impl Share for Alone {
    fn run(&mut self, parts: usize, part: impl Fn(usize) + Sync) {
        (0..parts).for_each(part);
    }
}

/// Does `work`, whose steps up to `helpers` other threads of the pool share where they are free.
pub fn lead<R: Send>(helpers: usize, work: impl FnOnce(&mut Leader<'_>) -> R + Send) -> R {
    let crew = Crew {
        left: AtomicU64::new(0),
        unfinished: AtomicUsize::new(0),
        call: UnsafeCell::new(None),
        over: AtomicBool::new(false),
        leader: rayon::current_thread_index(),
        processor: Processor::here(),
    };
    let helpers = helpers.min(rayon::current_num_threads() - 1);
    rayon::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| crew.help());
        }
        if helpers > 0 {
            // One that was woken on this processor comes by, and goes to another.
            std::thread::yield_now();
        }
        let _end = Finally(|| crew.over.store(true, Ordering::Release));
        work(&mut Leader {
            crew: &crew,
            threads: helpers + 1,
        })
    })
}

impl Leader<'_> {
    /// How many threads may take parts.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

impl Share for Leader<'_> {
    fn run(&mut self, parts: usize, part: impl Fn(usize) + Sync) {
        let Ok(wanted) = u32::try_from(parts) else {
            return (0..parts).for_each(&part);
        };
        let crew = self.crew;
        let call: &(dyn Fn(usize) + Sync) = &part;
        // SAFETY: the lifetime is let go of. A thread calls it after taking a part and before finishing
        // it, and this function waits below, unwinding too, until every part is finished.
        let call = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Call>(call) };
        // SAFETY: the last round is finished and all of its parts are taken: nobody reads it.
        unsafe { *crew.call.get() = Some(call) };
        crew.unfinished.store(parts, Ordering::Relaxed);
        let round = (crew.left.load(Ordering::Relaxed) >> 32).wrapping_add(1) << 32;
        crew.left
            .store(round | u64::from(wanted), Ordering::Release);
        let _wait = Finally(|| {
            // Of a call that panicked the other parts are not to be begun.
            let untaken = crew.left.swap(round, Ordering::AcqRel) & u64::from(u32::MAX);
            let untaken = usize::try_from(untaken).unwrap_or(0);
            crew.unfinished.fetch_sub(untaken, Ordering::AcqRel);
            wait(|| crew.unfinished.load(Ordering::Acquire) == 0);
        });
        while crew.take() {}
    }
}

impl Crew {
    /// Takes parts until there are no more to come.
    fn help(&self) {
        // What nobody has come for, the leader gets in the end.
        if rayon::current_thread_index() == self.leader {
            return;
        }
        let _away = self.processor.leave();
        wait(|| {
            while self.take() {}
            self.over.load(Ordering::Acquire)
        });
    }

    /// Takes a part and computes it, if there is one.
    fn take(&self) -> bool {
        let mut left = self.left.load(Ordering::Acquire);
        let part = loop {
            let part = left & u64::from(u32::MAX);
            if part == 0 {
                return false;
            }
            let taken = self.left.compare_exchange_weak(
                left,
                left - 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match taken {
                Ok(_) => break part - 1,
                Err(now) => left = now,
            }
        };
        let _finish = Finally(|| {
            self.unfinished.fetch_sub(1, Ordering::Release);
        });
        // SAFETY: a part of the round is taken and not finished; the call was written before the round
        // was, and is written again when all parts are finished.
        if let Some(call) = unsafe { *self.call.get() } {
            // SAFETY: what it borrows lives until all parts are finished.
            let call = unsafe { &*call };
            call(usize::try_from(part).unwrap_or(usize::MAX));
        }
        true
    }
}

/// Waits awake; who is not awaited long keeps the processor.
fn wait(mut done: impl FnMut() -> bool) {
    let mut looks = 0;
    while !done() {
        looks += 1;
        if looks < LOOKS {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// Calls what it holds when it goes, unwinding too.
struct Finally<F: FnMut()>(F);

impl<F: FnMut()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Alone, Pool, Share, lead};

    fn pool(threads: usize) -> rayon::ThreadPool {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("a pool")
    }

    #[test]
    fn every_part_of_every_round_is_done_once_before_the_next_round() {
        for threads in [1, 2, 5] {
            let rounds = 300;
            let counts: Vec<_> = (0..rounds * 9).map(|_| AtomicUsize::new(0)).collect();
            pool(threads).install(|| {
                lead(usize::MAX, |crew| {
                    for round in 0..rounds {
                        let parts = round % 10;
                        crew.run(parts, |part| {
                            counts[round * 9 + part].fetch_add(1, Ordering::Relaxed);
                        });
                        let done = counts[round * 9..].iter().take(parts);
                        assert!(done.into_iter().all(|n| n.load(Ordering::Relaxed) == 1));
                    }
                });
            });
            let total: usize = counts.iter().map(|n| n.load(Ordering::Relaxed)).sum();
            assert_eq!(total, (0..rounds).map(|round| round % 10).sum::<usize>());
        }
    }

    #[test]
    fn every_item_is_given_to_one_call() {
        let mut out = vec![0; 23];
        let call = |(at, place): (usize, &mut usize)| *place += at;
        pool(3).install(|| {
            lead(2, |crew| {
                crew.each(out.iter_mut().enumerate(), call);
            });
        });
        pool(3).install(|| Pool.each(out.iter_mut().enumerate(), call));
        Alone.each(out.iter_mut().enumerate(), call);
        assert!(out.into_iter().eq((0..23).map(|at| 3 * at)));
    }

    #[test]
    fn a_second_thread_takes_parts() {
        // Two parts that wait for each other end only where two threads are at them.
        let meeting = std::sync::Barrier::new(2);
        pool(2).install(|| {
            lead(usize::MAX, |crew| {
                crew.run(2, |_| {
                    meeting.wait();
                });
            });
        });
    }

    #[test]
    fn passes_side_by_side_in_one_pool_all_end() {
        let sum = AtomicUsize::new(0);
        pool(2).scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|_| {
                    lead(usize::MAX, |crew| {
                        for _ in 0..50 {
                            crew.run(3, |part| {
                                sum.fetch_add(part, Ordering::Relaxed);
                            });
                        }
                    });
                });
            }
        });
        assert_eq!(sum.into_inner(), 20 * 50 * 3);
    }

    #[test]
    fn a_panic_in_a_part_is_the_callers() {
        for threads in [1, 2] {
            let caught = std::panic::catch_unwind(|| {
                pool(threads).install(|| {
                    lead(usize::MAX, |crew| crew.run(8, |part| assert_ne!(part, 3)));
                });
            });
            assert!(caught.is_err());
        }
    }
}

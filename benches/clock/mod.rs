//! What a pass takes: by the wall, or in processor time, which other programs on the same cores
//! disturb less.

use std::time::Instant;

/// Nanoseconds that all threads of this program have computed for.
#[cfg(unix)]
fn computed() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Seconds of a piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// By the wall.
    pub wall: f64,
    /// Of all threads together; by the wall where the system does not tell.
    pub cpu: f64,
}

/// Runs `work` and measures it.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Taken) {
    let start = Instant::now();
    #[cfg(unix)]
    let before = computed();
    let out = work();
    let wall = start.elapsed().as_secs_f64();
    #[cfg(unix)]
    let cpu = (computed() - before) as f64 / 1e9;
    #[cfg(not(unix))]
    let cpu = wall;
    (out, Taken { wall, cpu })
}

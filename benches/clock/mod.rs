//! What a pass takes: by the wall, or in processor time, which other programs on the same cores
//! disturb less.

#![allow(unsafe_code)] // a call of the system

use std::time::Instant;

/// Nanoseconds that all threads of this program have computed for; `None` where the system has no
/// such clock.
#[cfg(target_os = "linux")]
fn computed() -> Option<u64> {
    #[repr(C)]
    struct Time {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Time) -> i32;
    }
    const PROCESS: i32 = 2;
    let mut time = Time {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: `time` has the layout of a `timespec` of a 64-bit Linux and outlives the call.
    let done =
        cfg!(target_pointer_width = "64") && unsafe { clock_gettime(PROCESS, &mut time) } == 0;
    done.then_some(time.seconds as u64 * 1_000_000_000 + time.nanoseconds as u64)
}

#[cfg(not(target_os = "linux"))]
fn computed() -> Option<u64> {
    None
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
    let (start, before) = (Instant::now(), computed());
    let out = work();
    let (wall, after) = (start.elapsed().as_secs_f64(), computed());
    let cpu = match (before, after) {
        (Some(before), Some(after)) => (after - before) as f64 / 1e9,
        _ => wall,
    };
    (out, Taken { wall, cpu })
}

//! Memory that loading a model took and reading with it does not need goes back to the system.

use std::sync::OnceLock;

static COLLECT: OnceLock<fn()> = OnceLock::new();

/// Says how the program's allocator gives back what the calling thread has freed. A library does not know its
/// program's allocator: without this, [`give_back`] does nothing.
pub fn collect_by(collect: fn()) {
    // The first one stays: a program has one allocator.
    let _ = COLLECT.set(collect);
}

/// Gives back what this thread and those of the pool have freed.
pub fn give_back() {
    if let Some(collect) = COLLECT.get() {
        rayon::broadcast(|_| collect());
        collect();
    }
}

/// Lets the system take the pages behind parts of the program's own file, which are read from it again when they are
/// needed.
///
/// # Safety
/// `bytes` lie in a part of the file that is mapped and never written to, as constants do.
#[allow(unsafe_code)]
pub unsafe fn forget(bytes: &'static [u8]) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};

        let page = rustix::param::page_size();
        let start = bytes.as_ptr().align_offset(page);
        let len = bytes.len().saturating_sub(start) / page * page;
        if len > 0 {
            let start = bytes.as_ptr().wrapping_add(start).cast_mut();
            // SAFETY: whole pages of `bytes`, which the caller says come from the file as they were. A system that
            // refuses keeps them.
            let _ = unsafe { madvise(start.cast(), len, Advice::LinuxDontNeed) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = bytes;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static CALLS: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn every_thread_gives_back() {
        give_back();
        collect_by(|| {
            CALLS.fetch_add(1, Ordering::Relaxed);
        });
        give_back();
        // Other tests load models meanwhile.
        assert!(CALLS.load(Ordering::Relaxed) > rayon::current_num_threads());
    }
}

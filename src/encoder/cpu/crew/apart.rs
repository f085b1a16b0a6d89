//! Two threads that the system has given one processor while another one idles: Linux wakes a thread
//! where it ran last, and looks at the balance again after milliseconds, when a short pass is over.

#[cfg(target_os = "linux")]
pub use linux::Processor;

/// Elsewhere the system is left alone.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy)]
pub struct Processor;

#[cfg(not(target_os = "linux"))]
impl Processor {
    /// The processor that the calling thread is on.
    pub const fn here() -> Self {
        Self
    }

    /// Nothing.
    pub const fn leave(self) -> Away {
        Away
    }
}

/// Nothing to be undone.
#[cfg(not(target_os = "linux"))]
pub struct Away;

#[cfg(target_os = "linux")]
mod linux {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

    /// A processor, by its number.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Processor(usize);

    impl Processor {
        /// The processor that the calling thread is on.
        pub fn here() -> Self {
            Self(sched_getcpu())
        }

        /// Takes the calling thread to another processor that it may use, if it is on this one, until the
        /// answer is dropped. Where there is none, or the system refuses, everything stays as it was.
        pub fn leave(self) -> Away {
            Away(if self == Self::here() {
                self.left()
            } else {
                None
            })
        }

        fn left(self) -> Option<CpuSet> {
            let allowed = sched_getaffinity(None).ok()?;
            let mut others = allowed;
            if self.0 >= CpuSet::MAX_CPU {
                return None;
            }
            others.unset(self.0);
            if others.count() == 0 {
                return None;
            }
            sched_setaffinity(None, &others).ok().map(|()| allowed)
        }
    }

    /// The processors that the thread may use again when this is dropped.
    #[must_use]
    pub struct Away(Option<CpuSet>);

    impl Drop for Away {
        fn drop(&mut self) {
            if let Some(allowed) = &self.0 {
                // Where it is allowed no more, the system has chosen for the thread.
                let _ = sched_setaffinity(None, allowed);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::{Processor, sched_getaffinity};

        #[test]
        fn a_thread_leaves_a_processor_and_may_return() {
            let allowed = sched_getaffinity(None).expect("a set");
            // The system may move the thread between two calls: then there is nothing to leave.
            let left = (0..100).any(|_| {
                let busy = Processor::here();
                let away = busy.leave();
                away.0.is_some() && Processor::here() != busy
            });
            assert_eq!(left, allowed.count() > 1);
            assert_eq!(sched_getaffinity(None).expect("a set"), allowed);
        }

        #[test]
        fn a_thread_stays_where_it_is_alone() {
            let allowed = sched_getaffinity(None).expect("a set");
            let _away = Processor(usize::MAX).leave();
            assert_eq!(sched_getaffinity(None).expect("a set"), allowed);
        }
    }
}

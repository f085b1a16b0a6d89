//! What the machine is.

use std::num::NonZero;

use serde::Serialize;

use crate::encoder::cpu::simd::Level;
use crate::encoder::device::DeviceChoice;

/// The processor.
#[derive(Debug, Serialize)]
pub(super) struct Cpu {
    pub architecture: &'static str,
    pub system: &'static str,
    /// Processors that this program may use.
    pub processors: usize,
    /// Threads that it computes with.
    pub threads: usize,
    /// Extensions that matter to the kernels, by the names of the compiler.
    pub features: Vec<&'static str>,
    /// Which kernels the encoder takes.
    pub kernels: &'static str,
}

impl Cpu {
    pub(super) fn here() -> Self {
        Self {
            architecture: std::env::consts::ARCH,
            system: std::env::consts::OS,
            processors: std::thread::available_parallelism().map_or(1, NonZero::get),
            threads: rayon::current_num_threads(),
            features: features(),
            kernels: Level::best().name(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let mut found = Vec::new();
    macro_rules! look {
        ($($name:tt),*) => {
            $(if std::arch::is_x86_feature_detected!($name) {
                found.push($name);
            })*
        };
    }
    look!(
        "sse4.2",
        "avx",
        "avx2",
        "fma",
        "f16c",
        "avxvnni",
        "avx512f",
        "avx512bw",
        "avx512vl",
        "avx512dq",
        "avx512vnni",
        "avx512bf16",
        "avx512fp16"
    );
    found
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    let mut found = Vec::new();
    macro_rules! look {
        ($($name:tt),*) => {
            $(if std::arch::is_aarch64_feature_detected!($name) {
                found.push($name);
            })*
        };
    }
    look!("neon", "fp16", "dotprod", "bf16", "i8mm", "sve");
    found
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

/// Memory in bytes; only Linux tells.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_field_names)] // the report's own form
pub(super) struct Memory {
    pub total_bytes: u64,
    pub available_bytes: u64,
    /// What this program holds now.
    pub resident_bytes: u64,
    /// The most that it has held.
    pub peak_bytes: u64,
}

impl Memory {
    pub(super) fn here() -> Option<Self> {
        let read = |path| std::fs::read_to_string(path).ok();
        Self::parse(&read("/proc/meminfo")?, &read("/proc/self/status")?)
    }

    fn parse(machine: &str, program: &str) -> Option<Self> {
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let kib = line.trim_start_matches(':').split_whitespace().next()?;
            kib.parse::<u64>().ok().map(|kib| kib << 10)
        };
        Some(Self {
            total_bytes: field(machine, "MemTotal")?,
            available_bytes: field(machine, "MemAvailable")?,
            resident_bytes: field(program, "VmRSS")?,
            peak_bytes: field(program, "VmHWM")?,
        })
    }
}

/// A device that the encoder can run on.
#[derive(Debug, Serialize)]
pub(super) struct DeviceReport {
    pub name: String,
    /// Whether this build knows it.
    pub built_in: bool,
    /// Whether it opens.
    pub available: bool,
    /// Why it does not.
    pub message: Option<String>,
}

impl DeviceReport {
    pub(super) fn all() -> Vec<Self> {
        [
            DeviceChoice::Cpu,
            DeviceChoice::Cuda(0),
            DeviceChoice::Metal,
        ]
        .into_iter()
        .map(|choice| {
            let built_in = choice.is_built_in();
            let opened = built_in.then(|| choice.open());
            Self {
                name: choice.to_string(),
                built_in,
                available: opened.as_ref().is_some_and(Result::is_ok),
                message: opened.and_then(Result::err).map(|error| error.to_string()),
            }
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let machine = "MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    600 kB\n";
        let program = "Name:\tstance\nVmHWM:\t  70 kB\nVmRSS:\t  50 kB\n";
        let memory = Memory::parse(machine, program).expect("complete");
        assert_eq!(memory.total_bytes, 1000 << 10);
        assert_eq!(memory.available_bytes, 600 << 10);
        assert_eq!(
            (memory.resident_bytes, memory.peak_bytes),
            (50 << 10, 70 << 10)
        );
        assert_eq!(Memory::parse(machine, ""), None);
    }

    #[test]
    fn there_is_always_a_processor_and_the_cpu() {
        let cpu = Cpu::here();
        assert!(cpu.processors >= 1 && cpu.threads >= 1);
        let devices = DeviceReport::all();
        assert!(devices[0].name == "cpu" && devices[0].available);
    }
}

//! Where the tensors live: the CPU, a CUDA card or Metal.

use std::fmt;
use std::str::FromStr;

use candle_core::utils::{cuda_is_available, metal_is_available};
use candle_core::{Device, DeviceLocation};

use super::error::EncoderError;

/// A device as the user names it: `auto`, `cpu`, `cuda`, `cuda:N` or `metal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// The first CUDA card, else Metal, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA card of this number, from 0.
    Cuda(usize),
    /// The first Metal device.
    Metal,
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// `auto` never fails: a device that this build knows of and that cannot be opened is logged,
    /// and the CPU is used.
    ///
    /// # Errors
    /// [`EncoderError::DeviceUnavailable`] when a named device is not in this build or does not
    /// open.
    pub fn open(self) -> Result<Device, EncoderError> {
        let device = match self {
            Self::Cpu => Device::Cpu,
            Self::Cuda(_) | Self::Metal => self.open_accelerator()?,
            Self::Auto => [Self::Cuda(0), Self::Metal]
                .into_iter()
                .filter(|choice| choice.is_built_in())
                .find_map(|choice| match choice.open_accelerator() {
                    Ok(device) => Some(device),
                    Err(error) => {
                        tracing::warn!(%error, "falling back to the CPU");
                        None
                    }
                })
                .unwrap_or(Device::Cpu),
        };
        tracing::info!(requested = %self, device = %device_name(&device), "opened the device");
        Ok(device)
    }

    /// Whether this build can use the device, if the machine has it.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Auto | Self::Cpu => true,
            Self::Cuda(_) => cuda_is_available(),
            Self::Metal => metal_is_available(),
        }
    }

    fn open_accelerator(self) -> Result<Device, EncoderError> {
        let unavailable = |message: String| EncoderError::DeviceUnavailable {
            device: self.to_string(),
            message,
        };
        if !self.is_built_in() {
            let feature = if self == Self::Metal { "metal" } else { "cuda" };
            return Err(unavailable(format!(
                "this build lacks the feature `{feature}`"
            )));
        }
        match self {
            Self::Cuda(number) => open_cuda(number),
            Self::Metal => Device::new_metal(0),
            Self::Auto | Self::Cpu => Ok(Device::Cpu),
        }
        .map_err(|error| unavailable(error.to_string()))
    }
}

/// Opens a card. Memory that is freed stays with the process, which asks for as much again with the
/// next batch; by default the driver takes it back whenever the card is waited for.
fn open_cuda(number: usize) -> candle_core::Result<Device> {
    let device = Device::new_cuda(number)?;
    #[cfg(feature = "cuda")]
    super::ops::cuda::keep_memory(&device)?;
    Ok(device)
}

/// Lets f32 products on an NVIDIA card be multiplied by its tensor cores, with 10 bits of mantissa
/// (TF32), for the whole process; for training. Nothing happens in a build without `cuda`.
pub fn set_tensor_cores(on: bool) {
    #[cfg(feature = "cuda")]
    candle_core::cuda_backend::set_gemm_reduced_precision_f32(on);
    let _ = on;
}

impl FromStr for DeviceChoice {
    type Err = EncoderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        match lower.as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            _ => lower
                .strip_prefix("cuda:")
                .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| EncoderError::InvalidDevice(text.to_owned())),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

/// The name of an open device, in the form that [`DeviceChoice`] parses.
pub fn device_name(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".to_owned(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { .. } => "metal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn names_parse_and_print_alike() {
        for (text, choice) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda:0", DeviceChoice::Cuda(0)),
            ("cuda:13", DeviceChoice::Cuda(13)),
            ("metal", DeviceChoice::Metal),
        ] {
            assert_eq!(text.parse::<DeviceChoice>().expect(text), choice);
            assert_eq!(choice.to_string(), text);
        }
        assert_eq!(
            "CUDA".parse::<DeviceChoice>().expect("cuda"),
            DeviceChoice::Cuda(0)
        );
    }

    #[test]
    fn refuses_other_names() {
        for text in [
            "", "gpu", "cuda:", "cuda:-1", "cuda:+1", "cuda:1x", "metal:1",
        ] {
            let error = text.parse::<DeviceChoice>().expect_err(text);
            assert_eq!(error.code(), "invalid_device");
        }
    }

    #[test]
    fn the_cpu_always_opens() {
        let device = DeviceChoice::Cpu.open().expect("cpu");
        assert_eq!(device_name(&device), "cpu");
        assert!(DeviceChoice::Auto.open().is_ok());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_card_that_is_not_built_in_is_an_error_by_name_and_a_fallback_by_auto() {
        let error = DeviceChoice::Cuda(0).open().expect_err("not built in");
        assert_eq!(error.code(), "device_unavailable");
        assert!(error.to_string().contains("feature `cuda`"), "{error}");
        #[cfg(not(feature = "metal"))]
        assert!(DeviceChoice::Auto.open().expect("auto").is_cpu());
    }
}

//! Which processor does the arithmetic.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use serde::Serialize;

use crate::{Error, Result};

/// A device as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceName {
    /// The fastest one that this build supports and this machine has.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
}

impl DeviceName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Cpu, Self::Cuda];

    /// The name as it is written: `auto`, `cpu` or `cuda`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let unknown = || format!("unknown device {text:?}; use auto, cpu or cuda");
        Self::ALL.into_iter().find(|device| device.name() == text).ok_or_else(unknown)
    }
}

/// Opens a device.
///
/// # Errors
/// [`Error::Device`] if this build does not support it or the machine does not have it.
pub fn open(name: DeviceName) -> Result<Device> {
    match name {
        DeviceName::Cpu => Ok(Device::Cpu),
        DeviceName::Cuda => cuda(),
        DeviceName::Auto => Ok(cuda().unwrap_or(Device::Cpu)),
    }
}

/// A device's name as it is stored in `config.json`.
pub fn describe(device: &Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "metal",
    }
}

fn cuda() -> Result<Device> {
    if !cfg!(feature = "cuda") {
        return Err(Error::Device {
            device: "cuda",
            message:
                "this program was built without it; build it with `--features cuda`, which needs the CUDA toolkit, \
                      or use the device cpu"
                    .into(),
        });
    }
    Device::new_cuda(0).map_err(|error| Error::Device {
        device: "cuda",
        message: format!("{error}; check the driver with nvidia-smi, or use the device cpu"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for device in DeviceName::ALL {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert!("metal".parse::<DeviceName>().unwrap_err().contains("auto, cpu or cuda"));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_this_build_does_not_support_says_what_to_do() {
        let message = open(DeviceName::Cuda).unwrap_err().to_string();
        assert!(message.contains("--features cuda") && message.contains("cpu"), "{message}");
        assert!(open(DeviceName::Auto).unwrap().is_cpu());
    }
}

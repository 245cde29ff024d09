//! Where the arithmetic is done.

use candle_core::Device;
use clap::ValueEnum;

use crate::{Error, Result};

/// A device as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceName {
    /// The fastest that this build and this machine have.
    Auto,
    /// The processor.
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
    /// The Apple GPU.
    Metal,
}

/// Opens the device, or says why it cannot be used.
pub fn open(name: DeviceName) -> Result<Device> {
    match name {
        DeviceName::Cpu => Ok(Device::Cpu),
        DeviceName::Cuda => cuda(),
        DeviceName::Metal => metal(),
        DeviceName::Auto => Ok(cuda().or_else(|_| metal()).unwrap_or(Device::Cpu)),
    }
}

/// A device's name for people.
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
            message: "this build leaves it out; build with --features cuda, or use --device cpu".into(),
        });
    }
    Device::new_cuda(0).map_err(|error| Error::Device {
        device: "cuda",
        message: format!("{error}; check the driver with nvidia-smi, or use --device cpu"),
    })
}

fn metal() -> Result<Device> {
    if !cfg!(feature = "metal") {
        return Err(Error::Device {
            device: "metal",
            message: "this build leaves it out; build with --features metal, or use --device cpu".into(),
        });
    }
    Device::new_metal(0)
        .map_err(|error| Error::Device { device: "metal", message: format!("{error}; use --device cpu") })
}

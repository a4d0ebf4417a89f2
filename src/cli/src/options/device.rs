// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about devices.

use anyhow::{Result, bail};
use haulout_engine::container::options::{Device, DeviceRule, device};

use super::non_empty;

/// Flags about devices.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct DeviceFlags {
    /// Add a host device to the container
    #[arg(long)]
    pub device: Vec<String>,
    /// Add a rule to the cgroup allowed devices list
    #[arg(long, value_delimiter = ',')]
    pub device_cgroup_rule: Vec<String>,
    /// GPU devices to add to the container ('all' to pass all GPUs)
    #[arg(long, value_delimiter = ',')]
    pub gpus: Vec<String>,
}

impl DeviceFlags {
    pub(super) fn rules(&self) -> Result<Vec<DeviceRule>> {
        non_empty(&self.device_cgroup_rule).map(|text| rule(text)).collect()
    }

    /// Devices by their qualified names, of which a CDI specification says what they are.
    pub(super) fn cdi(&self) -> Vec<String> {
        let devices = self.device.iter().filter(|text| device::is_cdi(text)).cloned();
        devices.chain(non_empty(&self.gpus).map(|gpu| format!("nvidia.com/gpu={gpu}"))).collect()
    }

    pub(super) fn devices(&self) -> Result<Vec<Device>> {
        self.device.iter().filter(|text| !device::is_cdi(text)).map(|text| Ok(device::parse(text)?)).collect()
    }
}

/// `TYPE MAJOR:MINOR ACCESS`.
fn rule(text: &str) -> Result<DeviceRule> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let [kind, number, access] = words[..] else {
        bail!("invalid device cgroup rule requires type, major:Minor, and access rules: {text:?}");
    };
    let kind = match kind {
        "a" => 'a',
        "b" => 'b',
        "c" => 'c',
        other => bail!("invalid device type in device-access-add: {other}"),
    };
    let of = |number: &str| match number {
        "*" => Ok(None),
        number => match number.parse::<u32>() {
            Ok(number) => Ok(Some(i64::from(number))),
            Err(_) => bail!("strconv.ParseUint: parsing {number:?}: invalid syntax"),
        },
    };
    let (major, minor) = number.split_once(':').unwrap_or((number, "*"));
    let (major, minor) = (of(major)?, of(minor)?);
    if let Some(letter) = access.chars().find(|letter| !"rwm".contains(*letter)) {
        bail!("invalid device access in device-access-add: {letter}");
    }
    Ok(DeviceRule { kind, major, minor, access: access.to_owned() })
}

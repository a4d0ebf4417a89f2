// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which machines an image is for: `os/arch[/variant]`, in Go's words (OCI image specification, image-index.md).

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// What an image is for, or wanted for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`, …
    #[serde(default, rename = "architecture")]
    pub arch: String,
    /// `v7`, `v8`, …
    #[serde(default)]
    pub variant: Option<String>,
}

impl Platform {
    /// This machine's.
    pub fn of_this_machine() -> Self {
        let (arch, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Self { os: "linux".to_owned(), arch: arch.to_owned(), variant: variant.map(str::to_owned) }
    }

    /// How well something for `self` suits who wants `wanted`: the smaller the better, nothing when not at all.
    pub fn fits(&self, wanted: &Self) -> Option<usize> {
        if self.os != wanted.os || self.arch != wanted.arch {
            return None;
        }
        variants(wanted).iter().position(|variant| *variant == self.variant.as_deref().unwrap_or(""))
    }

    /// Whether an image for `self` is what `wanted` names; an image need not say which variant it is for.
    pub fn is(&self, wanted: &Self) -> bool {
        self.fits(wanted).is_some() || (self.os == wanted.os && self.arch == wanted.arch && self.variant.is_none())
    }
}

/// What runs where `wanted` is wanted, the best first: on ARM a newer processor runs what is for an older one.
fn variants(wanted: &Platform) -> Vec<&str> {
    let variant = wanted.variant.as_deref();
    match (wanted.arch.as_str(), variant) {
        ("arm64", None | Some("v8")) => vec!["v8", ""],
        ("arm", None | Some("v7")) => vec!["v7", "v6", "v5", ""],
        ("arm", Some("v8")) => vec!["v8", "v7", "v6", "v5", ""],
        ("arm", Some("v6")) => vec!["v6", "v5", ""],
        ("amd64", None) => vec!["", "v1"],
        (_, None) => vec![""],
        (_, Some(variant)) => vec![variant],
    }
}

impl FromStr for Platform {
    type Err = String;

    /// Reads `os`, `os/arch` or `os/arch/variant`; what is left out is as on this machine.
    fn from_str(text: &str) -> Result<Self, String> {
        let here = Self::of_this_machine();
        let parts: Vec<&str> = text.split('/').collect();
        if parts
            .iter()
            .any(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        {
            return Err(format!("invalid platform {text:?}: it should be OS/ARCH[/VARIANT]"));
        }
        match parts[..] {
            [os] => Ok(Self { os: os.to_lowercase(), ..here }),
            [os, arch] => {
                let arch = normal(&arch.to_lowercase()).to_owned();
                let variant = if arch == here.arch { here.variant } else { None };
                Ok(Self { os: os.to_lowercase(), arch, variant })
            }
            [os, arch, variant] => {
                let (arch, variant) = (normal(&arch.to_lowercase()).to_owned(), variant.to_lowercase());
                // The first variant of all is what every image without one is for.
                let variant = Some(variant).filter(|variant| (arch.as_str(), variant.as_str()) != ("amd64", "v1"));
                Ok(Self { os: os.to_lowercase(), arch, variant })
            }
            _ => Err(format!("invalid platform {text:?}: it should be OS/ARCH[/VARIANT]")),
        }
    }
}

/// The kernel's names are as good as Go's.
fn normal(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i686" => "386",
        "armhf" => "arm",
        other => other,
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(has: &str, wanted: &str) -> Option<usize> {
        let mut has_parts = has.split('/').map(str::to_owned);
        let has =
            Platform { os: has_parts.next().unwrap(), arch: has_parts.next().unwrap(), variant: has_parts.next() };
        has.fits(&wanted.parse().unwrap())
    }

    #[test]
    fn an_older_arm_suits_a_newer_one_but_worse() {
        assert_eq!(fits("linux/arm/v7", "linux/arm/v7"), Some(0));
        assert!(fits("linux/arm/v6", "linux/arm/v7") < fits("linux/arm/v5", "linux/arm/v7"));
        assert_eq!(fits("linux/arm/v7", "linux/arm/v6"), None);
        assert!(fits("linux/arm64", "linux/arm64/v8").is_some());
    }

    #[test]
    fn another_system_or_processor_suits_nobody() {
        assert_eq!(fits("windows/amd64", "linux/amd64"), None);
        assert_eq!(fits("linux/386", "linux/amd64"), None);
        assert_eq!(fits("linux/amd64/v3", "linux/amd64"), None);
    }

    #[test]
    fn the_kernel_s_names_are_understood_and_nonsense_is_not() {
        assert_eq!("linux/x86_64".parse::<Platform>().unwrap().arch, "amd64");
        assert_eq!("linux/aarch64".parse::<Platform>().unwrap().arch, "arm64");
        assert_eq!("linux/amd64/v1".parse::<Platform>(), "linux/amd64".parse());
        for bad in ["", "/", "linux/", "linux/arm/v7/x", "linux/../x"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about the image: which one, whence, and how it is pulled.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::{PullPolicy, Rootfs};

use crate::encryption;
use crate::exit::os_words;
use crate::registry::{self, PolicyFlag, Retry};

/// Flags about the image: which one, whence, and how it is pulled.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct ImageFlags {
    /// Use ARCH instead of the architecture of the machine for choosing images
    #[arg(long, alias = "override-arch", value_name = "ARCH")]
    pub arch: Option<String>,
    /// Path of the authentication file
    #[arg(long)]
    pub authfile: Option<PathBuf>,
    /// Key needed to decrypt the image (e.g. /path/to/key.pem)
    #[arg(long)]
    pub decryption_key: Vec<String>,
    /// This is a Docker specific option and is a NOOP
    #[arg(long)]
    pub disable_content_trust: bool,
    /// Use OS instead of the running OS for choosing images
    #[arg(long, alias = "override-os", value_name = "OS")]
    pub os: Option<String>,
    /// Specify the platform for selecting the image. (Conflicts with --arch and --os)
    #[arg(long)]
    pub platform: Option<String>,
    /// Pull image policy ("always"|"missing"|"never"|"newer")
    #[arg(long, default_value = "missing")]
    pub pull: String,
    /// Suppress output information when pulling images
    #[arg(short, long)]
    pub quiet: bool,
    /// The first argument is not an image but the rootfs to the exploded container
    #[arg(long)]
    pub rootfs: bool,
    /// number of times to retry in case of failure when performing pull
    #[arg(long)]
    pub retry: Option<u64>,
    /// delay between retries in case of pull failures
    #[arg(long)]
    pub retry_delay: Option<String>,
    #[command(flatten)]
    pub policy: PolicyFlag,
    /// Require HTTPS and verify certificates when contacting registries for pulling images
    #[arg(long)]
    pub tls_verify: Option<bool>,
    /// Use VARIANT instead of the running architecture variant for choosing images
    #[arg(long, alias = "override-variant", value_name = "VARIANT")]
    pub variant: Option<String>,
}

impl ImageFlags {
    /// `os/arch[/variant]` of the image to pull, when it is not the machine's.
    pub fn platform(&self) -> Result<Option<String>> {
        platform(self.platform.as_ref(), self.os.as_ref(), self.arch.as_ref(), self.variant.as_ref())
    }

    /// How often a pull is tried.
    pub fn retries(&self) -> Result<Retry> {
        Retry::of(self.retry, self.retry_delay.as_deref())
    }

    pub(super) fn check(&self) -> Result<()> {
        encryption::refuse_decryption(&self.decryption_key)?;
        if let Some(path) = registry::filled(self.authfile.as_ref()) {
            registry::is_accessible(path)?;
        }
        self.retries().map(|_| ())
    }

    /// `PATH[:O|:idmap[=MAP]]`, if the first word is a folder (`--rootfs`).
    pub(super) fn rootfs(&self, text: &str) -> Result<Option<Rootfs>> {
        if !self.rootfs {
            return Ok(None);
        }
        if text.is_empty() {
            bail!("must set root filesystem source to either image or rootfs: invalid argument");
        }
        let (path, over, idmap) = match text.rsplit_once(':') {
            Some((path, "O")) => (path, true, None),
            Some((path, word)) if word == "idmap" || word.starts_with("idmap=") => (path, false, Some(word.to_owned())),
            _ => (text, false, None),
        };
        // Its words are told when it is not there; from here on it is where it is now.
        std::fs::metadata(path)
            .map_err(|error| anyhow!("running container create option: faccessat {path}: {}", os_words(&error)))?;
        Ok(Some(Rootfs { path: std::path::absolute(path)?, over, idmap }))
    }

    pub(super) fn pull_policy(&self) -> Result<PullPolicy> {
        match self.pull.to_ascii_lowercase().as_str() {
            "" | "missing" | "ifnotpresent" => Ok(PullPolicy::Missing),
            "always" => Ok(PullPolicy::Always),
            "never" => Ok(PullPolicy::Never),
            "newer" | "ifnewer" => Ok(PullPolicy::Newer),
            _ => bail!("unsupported pull policy {:?}", self.pull),
        }
    }
}

/// `os/arch[/variant]` from the flags that podman has for it.
pub fn platform(
    platform: Option<&String>,
    os: Option<&String>,
    arch: Option<&String>,
    variant: Option<&String>,
) -> Result<Option<String>> {
    let platform = platform.filter(|platform| !platform.is_empty());
    if platform.is_some() && (os.is_some() || arch.is_some()) {
        bail!("--platform option can not be specified with --arch or --os");
    }
    if let Some(platform) = platform {
        return Ok(Some(platform.clone()));
    }
    if os.is_none() && arch.is_none() && variant.is_none() {
        return Ok(None);
    }
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut text = format!("{}/{}", os.map_or("linux", String::as_str), arch.map_or(machine, String::as_str));
    if let Some(variant) = variant {
        text = format!("{text}/{variant}");
    }
    Ok(Some(text))
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What all flags that mount something come to.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::mount::Mounts;
use haulout_engine::container::options::{ImageVolume, SecretUse, volume};

use super::{given, non_empty, secret};
use crate::size;

/// Flags about what is mounted.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct MountFlags {
    /// Chroot directories inside the container
    #[arg(long)]
    pub chrootdirs: Vec<String>,
    /// How the volumes that the image names are handled ("bind"|"tmpfs"|"ignore")
    #[arg(long)]
    pub image_volume: Option<String>,
    /// Attach a filesystem mount to the container
    #[arg(long)]
    pub mount: Vec<String>,
    /// Make containers root filesystem read-only
    #[arg(long)]
    pub read_only: bool,
    /// When running --read-only containers mount read-write tmpfs on /dev, /dev/shm, /run, /tmp and /var/tmp
    #[arg(long, default_value_t = true)]
    pub read_only_tmpfs: bool,
    /// Add secret to container
    #[arg(long)]
    pub secret: Vec<String>,
    /// Size of /dev/shm (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))
    #[arg(long)]
    pub shm_size: Option<String>,
    /// Size of systemd specific tmpfs mounts (/run, /run/lock) (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))
    #[arg(long, value_name = "<number>[<unit>]")]
    pub shm_size_systemd: Option<String>,
    /// Mount a temporary filesystem (tmpfs) into a container
    #[arg(long, value_name = "tmpfs")]
    pub tmpfs: Vec<String>,
    /// Bind mount a volume into the container
    #[arg(short, long)]
    pub volume: Vec<String>,
    /// Mount volumes from the specified container(s)
    #[arg(long)]
    pub volumes_from: Vec<String>,
}

impl MountFlags {
    /// Everything that is to be mounted; two in one place when they are the same.
    pub(super) fn mounts(&self) -> Result<Mounts> {
        let mut mounts = Mounts::default();
        for text in &self.mount {
            mounts.add(text)?;
        }
        for text in &self.volume {
            mounts.add_volume(text)?;
        }
        for text in &self.tmpfs {
            let (path, options) = volume::parse_tmpfs(text)?;
            if mounts.tmpfs.iter().any(|(other, same)| *other == path && *same == options) {
                continue;
            }
            mounts.is_free(&path)?;
            mounts.tmpfs.push((path, options));
        }
        Ok(mounts)
    }

    pub(super) fn image_volume(&self) -> Result<ImageVolume> {
        match self.image_volume.as_deref().unwrap_or("") {
            "" | "anonymous" | "bind" => Ok(ImageVolume::Anonymous),
            "tmpfs" => Ok(ImageVolume::Tmpfs),
            "ignore" => Ok(ImageVolume::Ignore),
            mode => bail!("invalid image volume mode {mode:?} required value: anonymous, tmpfs, ignore"),
        }
    }

    pub(super) fn volumes_from(&self) -> Result<Vec<String>> {
        for text in &self.volumes_from {
            let words: Vec<&str> = text.split_once(':').map_or("", |(_, words)| words).split(',').collect();
            for word in words.iter().filter(|word| !word.is_empty()) {
                if !["z", "ro", "rw"].contains(word) {
                    bail!(
                        "invalid option {word:?} specified - volumes from another container can only use z,ro,rw options"
                    );
                }
            }
            if words.iter().filter(|word| ["ro", "rw"].contains(*word)).count() > 1 {
                bail!("cannot set ro or rw options more than once");
            }
            if words.iter().filter(|word| **word == "z").count() > 1 {
                bail!("cannot set :z more than once in mount options");
            }
        }
        Ok(self.volumes_from.clone())
    }

    pub(super) fn shm_size(&self) -> Result<Option<u64>> {
        bytes("--shm-size", self.shm_size.as_ref())
    }

    pub(super) fn systemd_size(&self) -> Result<Option<u64>> {
        bytes("--shm-size-systemd", self.shm_size_systemd.as_ref())
    }

    pub(super) fn chroot_folders(&self) -> Vec<PathBuf> {
        non_empty(&self.chrootdirs).map(|text| volume::clean(Path::new(text))).collect()
    }

    pub(super) fn secrets(&self) -> Result<Vec<SecretUse>> {
        self.secret.iter().map(|text| secret::parse(text)).collect()
    }
}

fn bytes(flag: &str, text: Option<&String>) -> Result<Option<u64>> {
    let read =
        |text: &String| size::parse(text).ok_or_else(|| anyhow!("unable to translate {flag}: invalid size: '{text}'"));
    given(text).map(read).transpose()
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--mount type=TYPE,…` and what all flags that mount something come to.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::{ImageMount, ImageVolume, Special, Volume, VolumeSource};

use super::{Flags, volume};
use crate::{filter, size};

const FORMAT: &str = "incorrect mount format: should be --mount type=<bind|glob|tmpfs|volume>,[src=<host-dir|volume-name>,]target=<ctr-dir>[,options]";

/// What is to be mounted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// Binds and volumes.
    pub volumes: Vec<Volume>,
    /// Place and options of each tmpfs.
    pub tmpfs: Vec<(PathBuf, Vec<String>)>,
    /// Images.
    pub images: Vec<ImageMount>,
    /// Other file systems of the kernel's.
    pub special: Vec<Special>,
}

impl Mounts {
    fn has(&self, place: &Path) -> bool {
        self.volumes.iter().any(|volume| volume.destination == place)
            || self.tmpfs.iter().any(|(tmpfs, _)| tmpfs == place)
            || self.images.iter().any(|image| image.destination == place)
            || self.special.iter().any(|special| special.destination == place)
    }

    /// No two in one place.
    fn is_free(&self, place: &Path) -> Result<()> {
        if self.has(place) {
            bail!("{}: duplicate mount destination", place.display());
        }
        Ok(())
    }
}

impl Flags {
    /// Everything that is to be mounted; two tmpfs in one place when they are the same.
    pub(super) fn mounts(&self) -> Result<Mounts> {
        let mut mounts = Mounts::default();
        for text in &self.mount {
            Mount::parse(text)?.add(&mut mounts)?;
        }
        for text in &self.volume {
            let volume = volume::parse(text)?;
            mounts.is_free(&volume.destination)?;
            mounts.volumes.push(volume);
        }
        let before = mounts.tmpfs.len();
        for text in &self.tmpfs {
            let (path, options) = volume::parse_tmpfs(text)?;
            if mounts.tmpfs[before..].iter().any(|(other, same)| *other == path && *same == options) {
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
}

/// One `--mount`: its type and its words.
struct Mount<'a> {
    kind: &'a str,
    words: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Mount<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let words: Vec<(&str, Option<&str>)> = text
            .split(',')
            .map(|word| word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value))))
            .collect();
        let kind = words.iter().find(|(key, _)| *key == "type").and_then(|(_, value)| *value);
        let kind = kind.ok_or_else(|| anyhow!(FORMAT))?;
        if words.len() < 2 && ["bind", "volume", "tmpfs", "ramfs", "devpts", "image", "glob"].contains(&kind) {
            bail!(match kind {
                "image" => "must set source and destination for image volume",
                _ => "must set volume destination",
            });
        }
        let words = words.into_iter().filter(|(key, _)| *key != "type").collect();
        Ok(Self { kind, words })
    }

    fn add(&self, mounts: &mut Mounts) -> Result<()> {
        match self.kind {
            "bind" | "volume" | "glob" => self.add_volume(mounts),
            "tmpfs" | "ramfs" => {
                let (place, options) = self.memory()?;
                mounts.is_free(&place)?;
                if self.kind == "tmpfs" {
                    mounts.tmpfs.push((place, options));
                } else {
                    mounts.special.push(Special { kind: "ramfs".into(), destination: place, options });
                }
                Ok(())
            }
            "devpts" => {
                let special = self.devpts()?;
                mounts.is_free(&special.destination)?;
                mounts.special.push(special);
                Ok(())
            }
            "image" => {
                let image = self.image()?;
                mounts.is_free(&image.destination)?;
                mounts.images.push(image);
                Ok(())
            }
            kind => bail!("invalid filesystem type {kind:?}"),
        }
    }

    /// Why a word is none of this type's.
    fn refuse(&self, key: &str) -> anyhow::Error {
        let known = [
            "src",
            "source",
            "bind-propagation",
            "bind-nonrecursive",
            "relabel",
            "tmpfs-size",
            "tmpfs-mode",
            "tmpcopyup",
            "notmpcopyup",
            "subpath",
            "volume-subpath",
            "uid",
            "gid",
            "mode",
            "max",
            "noswap",
            "no-dereference",
        ];
        if known.contains(&key) {
            return anyhow!("{key:?} option not supported for {:?} mount types", self.kind);
        }
        anyhow!("{key}: invalid mount option")
    }

    fn add_volume(&self, mounts: &mut Mounts) -> Result<()> {
        let is_path = self.kind != "volume";
        let (mut source, mut place, mut subpath) = (None, None, None);
        let mut options: Vec<String> = Vec::new();
        let (mut access, mut spread, mut owned) = (false, false, false);
        for &(key, value) in &self.words {
            let once = |seen: &mut bool, what: &str| {
                if std::mem::replace(seen, true) {
                    bail!("cannot pass {what} mnt.Options more than once: must provide an argument for option");
                }
                Ok(())
            };
            match key {
                "src" | "source" => source = Some(needed(key, value)?),
                "dst" | "target" | "destination" => place = Some(volume::container_path(needed(key, value)?)?),
                "ro" | "readonly" | "rw" => {
                    once(&mut access, "'readonly', 'ro', or 'rw'")?;
                    let writable = (key == "rw") == truth(key, value)?;
                    options.push(if writable { "rw" } else { "ro" }.to_owned());
                }
                "bind-propagation" if is_path => {
                    once(&mut spread, "'bind-propagation'")?;
                    let word = needed(key, value)?;
                    if !is_spread(word) {
                        bail!("invalid value \"bind-propagation={word}\"");
                    }
                    options.push(word.to_owned());
                }
                "bind-nonrecursive" if is_path => {
                    options.push(if truth(key, value)? { "bind" } else { "rbind" }.to_owned());
                }
                "relabel" if is_path => match needed(key, value)? {
                    "shared" => options.push("z".to_owned()),
                    "private" => options.push("Z".to_owned()),
                    _ => bail!("relabel mount option must be 'private' or 'shared': invalid mount option"),
                },
                "U" | "chown" => {
                    once(&mut owned, "'U' or 'chown'")?;
                    if chown(value)? {
                        options.push("U".to_owned());
                    }
                }
                "idmap" => options.push(value.map_or("idmap".to_owned(), |value| format!("idmap={value}"))),
                "subpath" | "volume-subpath" if !is_path => subpath = Some(PathBuf::from(needed(key, value)?)),
                "volume-label" => bail!("the --volume-label option is not presently implemented"),
                "consistency" => {}
                "no-dereference" if is_path => {}
                "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" | "copy" | "nocopy" => {
                    options.push(key.to_owned());
                }
                word if is_spread(word) => options.push(word.to_owned()),
                _ => return Err(self.refuse(key)),
            }
        }
        if self.kind == "glob" {
            return add_glob(mounts, source, place.as_deref(), &options);
        }
        let Some(destination) = place else { bail!("must set volume destination") };
        let source = match source {
            Some(path) if is_path => VolumeSource::Path(volume::host_path(path)?),
            None if is_path => VolumeSource::Path(volume::host_path(&destination.display().to_string())?),
            None | Some("") => VolumeSource::Anonymous,
            Some(name) => VolumeSource::Named(volume::volume_name(name)?),
        };
        mounts.is_free(&destination)?;
        mounts.volumes.push(Volume { source, destination, options, subpath });
        Ok(())
    }

    fn memory(&self) -> Result<(PathBuf, Vec<String>)> {
        let mut place = None;
        let mut options: Vec<String> = Vec::new();
        for &(key, value) in &self.words {
            match key {
                "dst" | "target" | "destination" => place = Some(volume::container_path(needed(key, value)?)?),
                "ro" | "readonly" | "rw" => {
                    let writable = (key == "rw") == truth(key, value)?;
                    options.push(if writable { "rw" } else { "ro" }.to_owned());
                }
                "tmpfs-size" => {
                    let text = needed(key, value)?;
                    size::parse(text.trim_end_matches('%')).ok_or_else(|| anyhow!("invalid size: '{text}'"))?;
                    options.push(format!("size={text}"));
                }
                "tmpfs-mode" => options.push(format!("mode={}", needed(key, value)?)),
                "tmpcopyup" | "notmpcopyup" | "noswap" if self.kind == "tmpfs" => options.push(key.to_owned()),
                "U" | "chown" => {
                    if chown(value)? {
                        options.push("U".to_owned());
                    }
                }
                "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" => options.push(key.to_owned()),
                "consistency" => {}
                _ => return Err(self.refuse(key)),
            }
        }
        Ok((place.ok_or_else(|| anyhow!("must set volume destination"))?, options))
    }

    fn devpts(&self) -> Result<Special> {
        let mut place = None;
        let mut options = Vec::new();
        for &(key, value) in &self.words {
            match key {
                "dst" | "target" | "destination" => place = Some(volume::container_path(needed(key, value)?)?),
                "uid" | "gid" | "mode" | "max" => options.push(format!("{key}={}", needed(key, value)?)),
                _ => return Err(self.refuse(key)),
            }
        }
        let destination = place.ok_or_else(|| anyhow!("must set volume destination"))?;
        Ok(Special { kind: "devpts".into(), destination, options })
    }

    fn image(&self) -> Result<ImageMount> {
        let (mut image, mut place, mut writable, mut subpath) = (None, None, false, None);
        for &(key, value) in &self.words {
            match key {
                "src" | "source" => image = Some(needed(key, value)?.to_owned()),
                "dst" | "target" | "destination" => place = Some(volume::container_path(needed(key, value)?)?),
                "rw" | "readwrite" => writable = truth(key, value)?,
                "subpath" => subpath = Some(PathBuf::from(needed(key, value)?)),
                "consistency" => {}
                _ => return Err(anyhow!("{key}: invalid mount option")),
            }
        }
        let (Some(image), Some(destination)) = (image, place) else {
            bail!("must set source and destination for image volume");
        };
        Ok(ImageMount { image, destination, writable, subpath })
    }
}

/// Each file that the pattern `source` stands for: in the folder `place` under its own name, or where it is on the host.
fn add_glob(mounts: &mut Mounts, source: Option<&str>, place: Option<&Path>, options: &[String]) -> Result<()> {
    let Some(pattern) = source else { bail!("must set source for glob mounts") };
    let found = matching(pattern);
    if found.is_empty() {
        bail!("no file paths matching glob {pattern:?}");
    }
    for path in found {
        let destination = match (place, path.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => path.clone(),
        };
        mounts.is_free(&destination)?;
        mounts.volumes.push(Volume {
            source: VolumeSource::Path(path),
            destination,
            options: options.to_vec(),
            subpath: None,
        });
    }
    Ok(())
}

/// The paths that a pattern stands for, sorted; each part of it by itself.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::from(".") }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let is_plain = !part.contains(['*', '?', '[', '\\']);
        found = found
            .into_iter()
            .flat_map(|folder| {
                if is_plain {
                    let path = folder.join(part);
                    return if path.symlink_metadata().is_ok() { vec![path] } else { Vec::new() };
                }
                let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
                let mut names: Vec<PathBuf> = entries
                    .filter(|entry| entry.file_name().to_str().is_some_and(|name| filter::glob(part, name)))
                    .map(|entry| entry.path())
                    .collect();
                names.sort();
                names
            })
            .collect();
    }
    found
}

fn is_spread(word: &str) -> bool {
    let spreads = ["shared", "rshared", "private", "rprivate", "slave", "rslave", "unbindable", "runbindable"];
    spreads.contains(&word)
}

fn needed<'a>(key: &str, value: Option<&'a str>) -> Result<&'a str> {
    value.ok_or_else(|| anyhow!("{key}: must provide an argument for option"))
}

/// `ro`, `ro=true`, `ro=false`.
fn truth(key: &str, value: Option<&str>) -> Result<bool> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => {
            bail!("{key} must be set to true or false, instead received {other:?}: must provide an argument for option")
        }
    }
}

fn chown(value: Option<&str>) -> Result<bool> {
    truth("'U' or 'chown'", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Mounts, String> {
        let mut mounts = Mounts::default();
        Mount::parse(text).and_then(|mount| mount.add(&mut mounts)).map_err(|error| error.to_string())?;
        Ok(mounts)
    }

    #[test]
    fn every_type_is_read() {
        let bind = parse("type=bind,src=/tmp,dst=/x,ro=true,bind-propagation=rslave,relabel=shared,U").unwrap();
        assert_eq!(bind.volumes[0].options, ["ro", "rslave", "z", "U"]);
        assert_eq!(bind.volumes[0].source, VolumeSource::Path("/tmp".into()));
        let volume = parse("type=volume,source=v,target=/x,subpath=/a").unwrap();
        assert_eq!(volume.volumes[0].source, VolumeSource::Named("v".into()));
        assert_eq!(volume.volumes[0].subpath.as_deref(), Some(Path::new("/a")));
        assert_eq!(parse("type=volume,dst=/x").unwrap().volumes[0].source, VolumeSource::Anonymous);
        let tmpfs = parse("type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700,notmpcopyup").unwrap();
        assert_eq!(tmpfs.tmpfs[0].1, ["size=1m", "mode=700", "notmpcopyup"]);
        let image = parse("type=image,src=a,dst=/x,rw=true,subpath=/etc").unwrap();
        assert!(image.images[0].writable && image.images[0].image == "a");
        assert_eq!(parse("type=devpts,dst=/x,uid=5,max=3").unwrap().special[0].options, ["uid=5", "max=3"]);
        let glob = parse("type=glob,src=/etc/pass[w]d,dst=/x").unwrap();
        assert_eq!(glob.volumes[0].destination, PathBuf::from("/x/passwd"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_podmans_words() {
        for (text, message) in [
            ("type=foo", "invalid filesystem type \"foo\""),
            ("foo", FORMAT),
            ("src=vv,dst=/x", FORMAT),
            ("type=bind,src=/tmp", "must set volume destination"),
            ("type=bind,src=/nope,dst=/x", "statfs /nope: no such file or directory"),
            ("type=bind,src=/tmp,dst=x", "invalid container path \"x\", must be an absolute path"),
            ("type=bind,src=/tmp,dst=/x,foo", "foo: invalid mount option"),
            (
                "type=bind,src=/tmp,dst=/x,ro,rw",
                "cannot pass 'readonly', 'ro', or 'rw' mnt.Options more than once: must provide an argument for option",
            ),
            ("type=bind,src=/tmp,dst=/x,bind-propagation=foo", "invalid value \"bind-propagation=foo\""),
            (
                "type=bind,src=/tmp,dst=/x,relabel=foo",
                "relabel mount option must be 'private' or 'shared': invalid mount option",
            ),
            (
                "type=bind,src=/tmp,dst=/x,chown=maybe",
                "'U' or 'chown' must be set to true or false, instead received \"maybe\": must provide an argument for option",
            ),
            ("type=bind,src=/tmp,dst=/x,tmpfs-size=3", "\"tmpfs-size\" option not supported for \"bind\" mount types"),
            ("type=tmpfs,src=/a,dst=/x", "\"src\" option not supported for \"tmpfs\" mount types"),
            ("type=tmpfs,dst=/x,size=q", "size: invalid mount option"),
            ("type=ramfs,dst=/x,notmpcopyup", "\"notmpcopyup\" option not supported for \"ramfs\" mount types"),
            ("type=image,dst=/x", "must set source and destination for image volume"),
            ("type=image,src=a,dst=/x,ro", "ro: invalid mount option"),
            ("type=glob,src=/nope*,dst=/x", "no file paths matching glob \"/nope*\""),
        ] {
            assert_eq!(parse(text).unwrap_err(), message, "{text}");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--mount type=TYPE,…`, and everything that is to be mounted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::words::{Result, WordsError, refuse, wrong};
use super::{ImageMount, Special, Volume, VolumeSource, csv, volume};
use crate::{glob, size, userns};

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
    /// Whether something is mounted at `place` already.
    fn has(&self, place: &Path) -> bool {
        self.volumes.iter().any(|volume| volume.destination == place)
            || self.tmpfs.iter().any(|(tmpfs, _)| tmpfs == place)
            || self.images.iter().any(|image| image.destination == place)
            || self.special.iter().any(|special| special.destination == place)
    }

    /// Reads one `--mount` more.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let fields = csv::fields(text).map_err(|error| wrong!("{error}"))?;
        Mount::of(&fields)?.add(self)
    }

    /// Reads one `-v` more; one that is there already is no other.
    pub fn add_volume(&mut self, text: &str) -> Result<()> {
        let volume = volume::parse(text)?;
        if self.volumes.iter().any(|other| is_same(other, &volume)) {
            return Ok(());
        }
        self.is_free(&volume.destination)?;
        self.volumes.push(volume);
        Ok(())
    }

    /// Leaves out what would be where `others` have something.
    pub(in crate::container) fn give_way(&mut self, others: &Self) {
        self.volumes.retain(|volume| !others.has(&volume.destination));
        self.tmpfs.retain(|(place, _)| !others.has(place));
        self.images.retain(|image| !others.has(&image.destination));
        self.special.retain(|special| !others.has(&special.destination));
    }

    /// No two in one place.
    pub fn is_free(&self, place: &Path) -> Result<()> {
        if self.has(place) {
            refuse!("{}: duplicate mount destination", place.display());
        }
        Ok(())
    }
}

/// Whether a volume is one that is known already: of those by name the first counts.
fn is_same(one: &Volume, other: &Volume) -> bool {
    let by_name = matches!(one.source, VolumeSource::Named(_)) && one.source == other.source;
    one == other || (by_name && one.destination == other.destination)
}

/// One `--mount`: its type and its words.
struct Mount<'a> {
    kind: &'a str,
    words: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Mount<'a> {
    fn of(fields: &'a [String]) -> Result<Self> {
        let words: Vec<(&str, Option<&str>)> = fields
            .iter()
            .map(|word| word.split_once('=').map_or((word.as_str(), None), |(key, value)| (key, Some(value))))
            .collect();
        let kind = words.iter().find(|(key, _)| *key == "type").and_then(|(_, value)| *value);
        let kind = kind.ok_or_else(|| WordsError::from(FORMAT))?;
        if words.len() < 2 && ["bind", "volume", "tmpfs", "ramfs", "devpts", "image", "glob"].contains(&kind) {
            return Err(WordsError::from(match kind {
                "image" => "must set source and destination for image volume",
                _ => "must set volume destination",
            }));
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
            kind => refuse!("invalid filesystem type {kind:?}"),
        }
    }

    /// Why a word is none of this type's.
    fn refuse(&self, key: &str) -> WordsError {
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
            return wrong!("{key:?} option not supported for {:?} mount types", self.kind);
        }
        wrong!("{key}: invalid mount option")
    }

    fn add_volume(&self, mounts: &mut Mounts) -> Result<()> {
        let is_path = self.kind != "volume";
        let (mut source, mut place, mut subpath) = (None, None, None);
        let mut options: Vec<String> = Vec::new();
        let (mut access, mut spread, mut owned, mut relabelled) = (false, false, false, false);
        let (mut flags, mut driver_options) = (Flags::default(), BTreeMap::new());
        for &(key, value) in &self.words {
            let once = |seen: &mut bool, what: &str| {
                if std::mem::replace(seen, true) {
                    refuse!("cannot pass {what} mnt.Options more than once: must provide an argument for option");
                }
                Ok(())
            };
            match key {
                "src" | "source" => source = Some(host_directory(key, value)?),
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
                        refuse!("invalid value \"bind-propagation={word}\"");
                    }
                    options.push(word.to_owned());
                }
                "bind-nonrecursive" if is_path => {
                    options.push(if truth(key, value)? { "bind" } else { "rbind" }.to_owned());
                }
                "relabel" | "z" | "Z" => {
                    if std::mem::replace(&mut relabelled, true) {
                        refuse!("cannot pass 'relabel' option more than once: must provide an argument for option");
                    }
                    options.push(match (key, value) {
                        ("z", _) | (_, Some("shared")) => "z".to_owned(),
                        ("Z", _) | (_, Some("private")) => "Z".to_owned(),
                        _ => refuse!("relabel mount option must be 'private' or 'shared': invalid mount option"),
                    });
                }
                "U" | "chown" => {
                    once(&mut owned, "'U' or 'chown'")?;
                    if chown(value)? {
                        options.push("U".to_owned());
                    }
                }
                "idmap" => options.push(value.map_or("idmap".to_owned(), |value| format!("idmap={value}"))),
                "subpath" | "volume-subpath" if !is_path => subpath = Some(PathBuf::from(needed(key, value)?)),
                "volume-label" => refuse!("the --volume-label option is not presently implemented"),
                "consistency" => {}
                "volume-opt" if !is_path => {
                    let text = needed(key, value)?;
                    let (name, value) = text.split_once('=').unwrap_or((text, ""));
                    driver_options.insert(name.to_owned(), value.to_owned());
                }
                "no-dereference" if is_path => {}
                "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" => {
                    flags.once(key)?;
                    options.push(key.to_owned());
                }
                word if is_spread(word) => options.push(word.to_owned()),
                _ => return Err(self.refuse(key)),
            }
        }
        if self.kind == "glob" {
            return add_glob(mounts, source, place.as_deref(), &options);
        }
        let Some(destination) = place else { refuse!("must set volume destination") };
        let source = match source {
            Some(path) if is_path => VolumeSource::Path(volume::host_path(path)?),
            None if is_path => VolumeSource::Path(volume::host_path(&destination.display().to_string())?),
            None => VolumeSource::Anonymous,
            Some(name) => VolumeSource::Named(volume::volume_name(name)?),
        };
        mounts.is_free(&destination)?;
        mounts.volumes.push(Volume { source, destination, options, subpath, driver_options });
        Ok(())
    }

    fn memory(&self) -> Result<(PathBuf, Vec<String>)> {
        let mut place = None;
        let mut options: Vec<String> = Vec::new();
        let (mut access, mut sized, mut moded, mut flags) = (false, false, false, Flags::default());
        let is_tmpfs = self.kind == "tmpfs";
        for &(key, value) in &self.words {
            match key {
                "dst" | "target" | "destination" => place = Some(volume::container_path(needed(key, value)?)?),
                "ro" | "readonly" | "rw" => {
                    if std::mem::replace(&mut access, true) {
                        refuse!(
                            "cannot pass 'readonly', 'ro', or 'rw' mnt.Options more than once: must provide an argument for option"
                        );
                    }
                    let writable = (key == "rw") == truth(key, value)?;
                    options.push(if writable { "rw" } else { "ro" }.to_owned());
                }
                "tmpfs-size" if is_tmpfs => {
                    if std::mem::replace(&mut sized, true) {
                        refuse!("only one tmpfs size can be specified: duplicate mount option passed");
                    }
                    let text = needed(key, value)?;
                    size::parse(text.trim_end_matches('%')).ok_or_else(|| wrong!("invalid size: '{text}'"))?;
                    options.push(format!("size={text}"));
                }
                "tmpfs-mode" if is_tmpfs => {
                    if std::mem::replace(&mut moded, true) {
                        refuse!("only one tmpfs mode can be specified: duplicate mount option passed");
                    }
                    options.push(format!("mode={}", needed(key, value)?));
                }
                "noswap" if is_tmpfs && !userns::is_root() => refuse!(
                    "the 'noswap' option is only allowed with rootful tmpfs mounts: must provide an argument for option"
                ),
                "tmpcopyup" | "notmpcopyup" | "noswap" if is_tmpfs => options.push(key.to_owned()),
                "U" | "chown" => {
                    if chown(value)? {
                        options.push("U".to_owned());
                    }
                }
                "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" => {
                    flags.once(key)?;
                    options.push(key.to_owned());
                }
                "consistency" => {}
                _ => return Err(self.refuse(key)),
            }
        }
        Ok((place.ok_or_else(|| wrong!("must set volume destination"))?, options))
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
        let destination = place.ok_or_else(|| wrong!("must set volume destination"))?;
        Ok(Special { kind: "devpts".into(), destination, options })
    }

    fn image(&self) -> Result<ImageMount> {
        let (mut image, mut place, mut writable, mut subpath) = (None, None, false, None);
        for &(key, value) in &self.words {
            match key {
                "src" | "source" => image = Some(needed(key, value)?.to_owned()),
                "dst" | "target" | "destination" => place = Some(volume::container_path(needed(key, value)?)?),
                "rw" | "readwrite" => {
                    writable = truth(key, value)
                        .map_err(|_| wrong!("invalid {key} value {:?}: invalid mount option", value.unwrap_or("")))?;
                }
                "subpath" => {
                    let path = needed(key, value)?;
                    if !path.starts_with('/') {
                        refuse!("volume subpath {path:?} must be an absolute path");
                    }
                    subpath = Some(PathBuf::from(path));
                }
                "consistency" => {}
                _ => return Err(wrong!("{key}: invalid mount option")),
            }
        }
        let (Some(image), Some(destination)) = (image.filter(|image| !image.is_empty()), place) else {
            refuse!("must set source and destination for image volume");
        };
        Ok(ImageMount { image, destination, writable, subpath })
    }
}

/// Each file that the pattern `source` stands for: in the folder `place` under its own name, or where it is on the host.
fn add_glob(mounts: &mut Mounts, source: Option<&str>, place: Option<&Path>, options: &[String]) -> Result<()> {
    let pattern = source.unwrap_or("");
    let found = if pattern.is_empty() { Vec::new() } else { matching(pattern) };
    if found.is_empty() {
        refuse!("no file paths matching glob {pattern:?}");
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
            driver_options: BTreeMap::new(),
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
                    .filter(|entry| entry.file_name().to_str().is_some_and(|name| glob::matches(part, name)))
                    .map(|entry| entry.path())
                    .collect();
                names.sort();
                names
            })
            .collect();
    }
    found
}

/// The flags of a mount that were said: of `nosuid` and `suid` and the like one.
#[derive(Default)]
struct Flags([bool; 3]);

impl Flags {
    fn once(&mut self, word: &str) -> Result<()> {
        let pairs = [("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec")];
        for (said, (no, yes)) in self.0.iter_mut().zip(pairs) {
            if (word == no || word == yes) && std::mem::replace(said, true) {
                refuse!(
                    "cannot pass '{no}' and '{yes}' mnt.Options more than once: must provide an argument for option"
                );
            }
        }
        Ok(())
    }
}

fn is_spread(word: &str) -> bool {
    let spreads = ["shared", "rshared", "private", "rprivate", "slave", "rslave", "unbindable", "runbindable"];
    spreads.contains(&word)
}

fn needed<'a>(key: &str, value: Option<&'a str>) -> Result<&'a str> {
    value.ok_or_else(|| wrong!("{key}: must provide an argument for option"))
}

/// A source that is said and empty is a variable that nobody has set: not the working directory, nor a volume without a name.
fn host_directory<'a>(key: &str, value: Option<&'a str>) -> Result<&'a str> {
    match needed(key, value)? {
        "" => refuse!("host directory cannot be empty: must provide an argument for option"),
        source => Ok(source),
    }
}

/// `ro`, `ro=true`, `ro=false`.
fn truth(key: &str, value: Option<&str>) -> Result<bool> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => {
            refuse!(
                "{key} must be set to true or false, instead received {other:?}: must provide an argument for option"
            )
        }
    }
}

fn chown(value: Option<&str>) -> Result<bool> {
    truth("'U' or 'chown'", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<Mounts, String> {
        let mut mounts = Mounts::default();
        mounts.add(text).map_err(|error| error.to_string())?;
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
            ("type=ramfs,dst=/x,tmpfs-size=1m", "\"tmpfs-size\" option not supported for \"ramfs\" mount types"),
            ("type=volume,src=v,dst=/x,nocopy", "nocopy: invalid mount option"),
            ("type=image,src=a,dst=/x,subpath=etc", "volume subpath \"etc\" must be an absolute path"),
            (
                "type=bind,src=/tmp,dst=/x,nodev,dev",
                "cannot pass 'nodev' and 'dev' mnt.Options more than once: must provide an argument for option",
            ),
            ("type=image,dst=/x", "must set source and destination for image volume"),
            ("type=image,src=a,dst=/x,ro", "ro: invalid mount option"),
            ("type=glob,src=/nope*,dst=/x", "no file paths matching glob \"/nope*\""),
        ] {
            assert_eq!(parse(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn whatever_is_written_it_is_one_or_refused() {
        haulout_fuzz::feed_text("mount", |text| {
            let _ = parse(text);
        });
    }
}

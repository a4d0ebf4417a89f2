// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `-v [SOURCE:]DESTINATION[:OPTIONS]` and `--tmpfs PATH[:OPTIONS]`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::words::{Result, refuse, wrong};
use super::{Volume, VolumeSource};
use crate::engine::os_words;

/// Words of which a volume may have one of each group.
const GROUPS: [(&[&str], &str); 8] = [
    (&["rw", "ro"], "'rw' or 'ro' option"),
    (&["z", "Z", "O"], "'z', 'Z', or 'O' option"),
    (&["copy", "nocopy"], "'copy' or 'nocopy' option"),
    (
        &["shared", "rshared", "private", "rprivate", "slave", "rslave", "unbindable", "runbindable"],
        "'[r]shared', '[r]private', '[r]slave' or '[r]unbindable' option",
    ),
    (&["bind", "rbind"], "'[r]bind' option"),
    (&["dev", "nodev"], "'nodev' or 'dev' option"),
    (&["exec", "noexec"], "'noexec' or 'exec' option"),
    (&["suid", "nosuid"], "'nosuid' or 'suid' option"),
];

const ALONE: [&str; 2] = ["U", "idmap"];

/// Words that a tmpfs may have beside those with a value.
const TMPFS: [&str; 27] = [
    "rw",
    "ro",
    "dev",
    "nodev",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "sync",
    "async",
    "tmpcopyup",
    "notmpcopyup",
    "private",
    "rprivate",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "unbindable",
    "runbindable",
    "U",
    "noatime",
    "atime",
    "relatime",
    "strictatime",
    "nodiratime",
    "noswap",
];

/// Reads one volume. A source that begins with `/` or `.` is a path on the host, which must be there; another is a
/// volume's name.
pub fn parse(text: &str) -> Result<Volume> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, options) = match parts[..] {
        [destination] => (None, destination, None),
        [source, destination] => (Some(source), destination, None),
        [source, destination, options] => (Some(source), destination, Some(options)),
        _ => refuse!("{text}: incorrect volume format, should be [host-dir:]ctr-dir[:option]"),
    };
    if source == Some("") {
        refuse!("host directory cannot be empty");
    }
    let destination = container_path(destination)?;
    let options: Vec<String> = options.map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default();
    let is_path = |source: &str| source.starts_with(['/', '.']);
    check(&options, source.is_some_and(|source| !is_path(source)))?;
    let source = match source {
        None => VolumeSource::Anonymous,
        Some(path) if is_path(path) => VolumeSource::Path(host_path(path)?),
        Some(name) => VolumeSource::Named(volume_name(name)?),
    };
    Ok(Volume { source, destination, options, subpath: None, driver_options: BTreeMap::new() })
}

/// Reads one `--tmpfs`.
pub fn parse_tmpfs(text: &str) -> Result<(PathBuf, Vec<String>)> {
    let (path, options) = text.split_once(':').map_or((text, None), |(path, options)| (path, Some(options)));
    let path = container_path(path)?;
    let options: Vec<String> = options.map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default();
    for option in &options {
        let known = match option.split_once('=') {
            Some((key, value)) => {
                ["size", "mode", "nr_inodes", "nr_blocks", "uid", "gid"].contains(&key) && !value.is_empty()
            }
            None => TMPFS.contains(&option.as_str()),
        };
        if !known {
            refuse!("unknown mount option {option:?}: invalid mount option");
        }
    }
    Ok((path, options))
}

/// A place in the container: absolute, without `.` and `..`.
pub(super) fn container_path(text: &str) -> Result<PathBuf> {
    if text.is_empty() {
        refuse!("container directory cannot be empty");
    }
    if !text.starts_with('/') {
        refuse!("invalid container path {text:?}, must be an absolute path");
    }
    Ok(clean(Path::new(text)))
}

/// An absolute path without `.` and `..`, as Go's `filepath.Clean` makes it: by its words alone.
pub fn clean(text: &Path) -> PathBuf {
    let mut path = PathBuf::from("/");
    for component in text.components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path.pop();
            }
            _ => {}
        }
    }
    path
}

/// A path on the host, absolute; it must be there.
pub(super) fn host_path(text: &str) -> Result<PathBuf> {
    let there = |path: &Path| std::fs::symlink_metadata(path);
    if text.starts_with('/') {
        let path = clean(Path::new(text));
        there(&path).map_err(|error| wrong!("statfs {}: {}", path.display(), os_words(&error)))?;
        return Ok(path);
    }
    let here =
        std::env::current_dir().map_err(|error| wrong!("finding the working directory: {}", os_words(&error)))?;
    let path = clean(&here.join(text));
    let shown = text.strip_prefix("./").unwrap_or(text);
    there(&path).map_err(|error| wrong!("lstat {shown}: {}", os_words(&error)))?;
    Ok(path)
}

pub(super) fn volume_name(name: &str) -> Result<String> {
    let ok = name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !ok {
        refuse!(
            "creating named volume {name:?}: running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"
        );
    }
    Ok(name.to_owned())
}

/// Whether the options go together; those of a volume with a name do in more ways.
fn check(options: &[String], is_named: bool) -> Result<()> {
    let folders: Vec<&str> = options
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(key, _)| key)
        .filter(|key| *key != "idmap")
        .collect();
    let over = options.iter().any(|option| option == "O");
    if over && !is_named && options.iter().any(|option| option != "O" && !option.contains('=')) {
        refuse!("can't use 'O' with other options");
    }
    if over && folders.contains(&"upperdir") != folders.contains(&"workdir") {
        refuse!("must set both `upperdir` and `workdir`");
    }
    let mut seen = [false; GROUPS.len()];
    for option in options {
        let group = GROUPS.iter().position(|(words, _)| words.contains(&option.as_str()));
        match group {
            Some(group) => {
                if std::mem::replace(&mut seen[group], true) {
                    refuse!("invalid options {:?}, can only specify 1 {}", options.join(", "), GROUPS[group].1);
                }
            }
            None if ALONE.contains(&option.as_str()) || option.starts_with("idmap=") => {}
            None if over && (option.starts_with("upperdir=") || option.starts_with("workdir=")) => {}
            None => refuse!("invalid option type {option:?}"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_a_path_a_name_or_its_own() {
        let volume = parse("/tmp:/x/../y:ro,rslave").unwrap();
        assert_eq!(volume.source, VolumeSource::Path("/tmp".into()));
        assert_eq!(volume.destination, PathBuf::from("/y"));
        assert_eq!(volume.options, ["ro", "rslave"]);
        assert_eq!(parse("data:/x").unwrap().source, VolumeSource::Named("data".into()));
        assert_eq!(parse("/x").unwrap().source, VolumeSource::Anonymous);
        let here = std::env::current_dir().unwrap();
        assert_eq!(parse(".:/x").unwrap().source, VolumeSource::Path(here));
    }

    #[test]
    fn a_volume_that_is_none_is_refused_in_podmans_words() {
        for (text, message) in [
            ("", "container directory cannot be empty"),
            ("x", "invalid container path \"x\", must be an absolute path"),
            ("/tmp:x", "invalid container path \"x\", must be an absolute path"),
            (":/x", "host directory cannot be empty"),
            ("a:b:c:d", "a:b:c:d: incorrect volume format, should be [host-dir:]ctr-dir[:option]"),
            ("/tmp:/x:foo", "invalid option type \"foo\""),
            ("/tmp:/x:", "invalid option type \"\""),
            ("/tmp:/x:z,Z", "invalid options \"z, Z\", can only specify 1 'z', 'Z', or 'O' option"),
            ("/tmp:/x:O,ro", "can't use 'O' with other options"),
            ("/tmp:/x:O,upperdir=/tmp", "must set both `upperdir` and `workdir`"),
            ("/tmp:/x:ro,rw", "invalid options \"ro, rw\", can only specify 1 'rw' or 'ro' option"),
            ("/nonexistent:/x", "statfs /nonexistent: no such file or directory"),
            ("./nonexistent:/x", "lstat nonexistent: no such file or directory"),
            (
                "x!y:/x",
                "creating named volume \"x!y\": running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn a_tmpfs_has_a_place_and_options_that_are_known() {
        let (path, options) = parse_tmpfs("/x:size=3m,mode=777,ro").unwrap();
        assert_eq!((path, options.len()), (PathBuf::from("/x"), 3));
        for (text, message) in [
            ("foo", "invalid container path \"foo\", must be an absolute path"),
            ("/x:bar", "unknown mount option \"bar\": invalid mount option"),
            ("/x:", "unknown mount option \"\": invalid mount option"),
            ("", "container directory cannot be empty"),
        ] {
            assert_eq!(parse_tmpfs(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn whatever_is_written_it_is_one_or_refused() {
        haulout_fuzz::feed_text("volume", |text| {
            let _ = parse(text);
            let _ = parse_tmpfs(text);
        });
    }
}

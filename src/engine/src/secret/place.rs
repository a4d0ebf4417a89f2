// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Secrets in containers: what a container is given of them when it is made, and where they are when it runs.
//!
//! A container keeps copies of those that are mounted, in `secrets/` of its own folder; a run gets them in its bundle, which is in
//! memory, owned as was asked for. Those in variables are looked up at each start. The container's record, `inspect` and images
//! have names only.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Record, SecretError, keep};
use crate::container::options::{Exposure, SecretUse};
use crate::container::{ContainerId, Options};
use crate::engine::{Engine, Error};
use crate::paths::Paths;

/// Where secrets are that name no other place.
pub(crate) const FOLDER: &str = "/run/secrets";

/// What stands for what is hidden.
const MASK: &str = "*******";

/// A secret's file in the bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Given {
    /// The container's copy.
    pub from: PathBuf,
    /// Whose it becomes, inside.
    pub uid: u32,
    /// The same for the group.
    pub gid: u32,
    /// Its mode.
    pub mode: u32,
}

/// The container's copies.
fn folder(paths: &Paths, id: &ContainerId) -> PathBuf {
    paths.container(id).join("secrets")
}

/// The run's.
fn in_bundle(bundle: &Path, index: usize) -> PathBuf {
    bundle.join("secrets").join(index.to_string())
}

/// Where a mounted secret is inside.
fn inside(secret: &SecretUse) -> PathBuf {
    let target = Path::new(FOLDER).join(secret.target.as_deref().unwrap_or(&secret.name));
    let mut place = PathBuf::new();
    for part in target.components() {
        if part == Component::ParentDir {
            place.pop();
        } else if part != Component::CurDir {
            place.push(part);
        }
    }
    place
}

/// The mounted ones, with their numbers: of two in one place the later.
fn mounted(options: &Options) -> impl Iterator<Item = (usize, &SecretUse)> {
    let all = &options.secrets;
    let files = all.iter().enumerate().filter(|(_, secret)| secret.exposure == Exposure::Mount);
    files.filter(|(index, secret)| {
        let place = inside(secret);
        !all[index + 1..].iter().any(|later| later.exposure == Exposure::Mount && inside(later) == place)
    })
}

/// Finds the secrets that `options` name, and notes their ids. What the mounted ones hide.
pub(crate) fn resolve(engine: &Engine, options: &mut Options) -> Result<Vec<(usize, Vec<u8>)>, Error> {
    let mut hidden = Vec::new();
    for (index, secret) in options.secrets.iter_mut().enumerate() {
        let record: Record = if secret.exposure == Exposure::Mount {
            let (record, data) = super::reveal(engine, &secret.name)?;
            hidden.push((index, data));
            record
        } else {
            super::find(engine, &secret.name)?
        };
        (secret.name, secret.id) = (record.name, record.id);
    }
    Ok(hidden)
}

/// Writes a container's copies, while its lock is held.
pub(crate) fn keep(paths: &Paths, id: &ContainerId, hidden: &[(usize, Vec<u8>)]) -> Result<(), Error> {
    let folder = folder(paths, id);
    let failed = |source| Error::Io { doing: format!("keeping the secrets of container {id}"), source };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    for (index, data) in hidden {
        keep::write_whole(&folder.join(index.to_string()), data).map_err(failed)?;
    }
    fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// The files that a run gets, with their places in its bundle.
pub(crate) fn given(paths: &Paths, id: &ContainerId, options: &Options) -> Vec<(PathBuf, Given)> {
    let (from, bundle) = (folder(paths, id), paths.bundle(id));
    let given = mounted(options).map(|(index, secret)| {
        let given = Given { from: from.join(index.to_string()), uid: secret.uid, gid: secret.gid, mode: secret.mode };
        (in_bundle(&bundle, index), given)
    });
    given.collect()
}

/// Where they are mounted: the file in the bundle, and the place inside.
pub(crate) fn mounts(bundle: &Path, options: &Options) -> Vec<(PathBuf, PathBuf)> {
    mounted(options).map(|(index, secret)| (in_bundle(bundle, index), inside(secret))).collect()
}

/// Puts what the variables among them hide into the environment.
pub(crate) fn set_variables(engine: &Engine, options: &Options, env: &mut Vec<String>) -> Result<(), Error> {
    for secret in options.secrets.iter().filter(|secret| secret.exposure == Exposure::Variable) {
        let (_, data) = super::reveal(engine, &secret.name)?;
        let text = String::from_utf8(data).ok().filter(|text| !text.contains('\0'));
        let text =
            text.ok_or_else(|| Error::Invalid(format!("secret {} cannot be a variable: it is no text", secret.name)))?;
        let name = secret.target.as_deref().unwrap_or(&secret.name);
        unset(env, name);
        env.push(format!("{name}={text}"));
    }
    Ok(())
}

fn unset(env: &mut Vec<String>, name: &str) {
    env.retain(|variable| variable.split_once('=').is_none_or(|(known, _)| known != name));
}

/// Takes what is hidden out of an environment that is to be shown; their names stand there as Podman has them.
pub(crate) fn mask(env: &mut Vec<String>, options: &Options) {
    for secret in options.secrets.iter().filter(|secret| secret.exposure == Exposure::Variable) {
        unset(env, secret.target.as_deref().unwrap_or(&secret.name));
        env.push(format!("{}={MASK}", secret.name));
    }
}

/// Takes them out of an environment that goes into an image.
pub(crate) fn leave_out(env: &mut Vec<String>, options: &Options) {
    for secret in options.secrets.iter().filter(|secret| secret.exposure == Exposure::Variable) {
        unset(env, secret.target.as_deref().unwrap_or(&secret.name));
        let masked = format!("{}={MASK}", secret.name);
        env.retain(|variable| *variable != masked);
    }
}

/// Puts a run's files in its bundle, owned as the container's users are outside of it.
pub(crate) fn hand_out(
    given: &[(PathBuf, Given)],
    owner: impl Fn(u32, u32) -> (u32, u32),
) -> Result<(), (PathBuf, std::io::Error)> {
    use std::os::unix::fs::PermissionsExt as _;
    for (to, Given { from, uid, gid, mode }) in given {
        let written = || {
            if let Some(folder) = to.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let _ = fs::remove_file(to);
            let data = fs::read(from)?;
            fs::write(to, data)?;
            fs::set_permissions(to, fs::Permissions::from_mode(*mode & 0o7777))?;
            let (uid, gid) = owner(*uid, *gid);
            std::os::unix::fs::chown(to, Some(uid), Some(gid))
        };
        written().map_err(|error| (from.clone(), error))?;
    }
    Ok(())
}

impl From<SecretError> for Error {
    fn from(error: SecretError) -> Self {
        Self::Secret(Box::new(error))
    }
}

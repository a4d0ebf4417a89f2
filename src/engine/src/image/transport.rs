// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where an image is when it is not in a registry: the names of containers-transports(5).

use std::path::PathBuf;

use super::reference::{Name, Reference, ReferenceError};

/// What kind of thing holds images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// What `docker save` writes.
    DockerArchive,
    /// An OCI image layout in a tar.
    OciArchive,
    /// An OCI image layout in a folder.
    Oci,
    /// A folder of a manifest, a configuration and layers.
    Dir,
}

/// Which images of those that something holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    #[default]
    All,
    /// The only one: it is an error when there are several.
    Only,
    /// The one of that name: in a docker archive a full name, in an OCI layout the text of its annotation.
    Named(String),
    /// The one at that place, counted from 0.
    At(usize),
}

/// A place, as `transport:details` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file or a folder.
    Path {
        /// What it is said to be.
        transport: Transport,
        /// Where.
        path: PathBuf,
        /// Which of its images.
        which: Which,
    },
    /// This store.
    Here(Reference),
}

/// Why a text names no place that images can be read from or written to. The words are Podman's where it has some.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// No path.
    #[error("docker-archive reference {0} isn't of the form <path>[:<reference>]")]
    NoPath(String),
    /// A place in an archive that is no number.
    #[error("Invalid source index @{0}: strconv.Atoi: parsing {0:?}: invalid syntax")]
    Index(String),
    /// A place in an archive before its beginning.
    #[error("Invalid source index @{0}: must not be negative")]
    NegativeIndex(String),
    /// An archive knows no digests.
    #[error("reference does not include a tag: {0}")]
    Digest(Reference),
    /// What is no name.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// `containers-storage:` and nothing.
    #[error("{0:?} is an empty reference: invalid reference")]
    Empty(String),
    /// `containers-storage:[overlay@/path]name`.
    #[error(
        "containers-storage:{0}: another store than Haulout's own cannot be named in an image's name: say where it is with --root, or add it to additionalimagestores in storage.conf"
    )]
    OtherStore(String),
    /// Docker's own store.
    #[error(
        "docker-daemon:{0}: Haulout does not speak to the Docker daemon: hand over an archive: docker save {0} | haulout load, or haulout save {0} | docker load"
    )]
    Daemon(String),
    /// A transport that Podman has and we have not.
    #[error("The transport {0:?} is not supported in this build")]
    NotBuilt(&'static str),
}

impl Transport {
    const ALL: [Self; 4] = [Self::DockerArchive, Self::OciArchive, Self::Oci, Self::Dir];

    /// As it is written, without the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DockerArchive => "docker-archive",
            Self::OciArchive => "oci-archive",
            Self::Oci => "oci",
            Self::Dir => "dir",
        }
    }

    /// Whether it is a folder.
    pub const fn is_folder(self) -> bool {
        matches!(self, Self::Oci | Self::Dir)
    }
}

impl Location {
    /// What `text` names; nothing when it is the name of an image, here or in a registry.
    pub fn parse(text: &str) -> Result<Option<Self>, LocationError> {
        let Some((word, rest)) = text.split_once(':') else { return Ok(None) };
        if let Some(transport) = Transport::ALL.into_iter().find(|transport| transport.name() == word) {
            return path(transport, rest).map(Some);
        }
        match word {
            "containers-storage" => here(rest).map(Some),
            "docker-daemon" => Err(LocationError::Daemon(rest.to_owned())),
            "ostree" => Err(LocationError::NotBuilt("ostree:")),
            "sif" => Err(LocationError::NotBuilt("sif:")),
            "tarball" => Err(LocationError::NotBuilt("tarball:")),
            _ => Ok(None),
        }
    }
}

impl Location {
    /// The same wherever one is.
    pub(super) fn absolute(self) -> Self {
        match self {
            Self::Path { transport, path, which } => {
                let path = std::path::absolute(&path).unwrap_or(path);
                Self::Path { transport, path, which }
            }
            here @ Self::Here(_) => here,
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(name) => write!(f, "containers-storage:{name}"),
            Self::Path { transport, path, which } => {
                write!(f, "{}:{}", transport.name(), path.display())?;
                match which {
                    Which::All | Which::Only => Ok(()),
                    Which::Named(name) => write!(f, ":{name}"),
                    Which::At(index) => write!(f, ":@{index}"),
                }
            }
        }
    }
}

fn path(transport: Transport, details: &str) -> Result<Location, LocationError> {
    let (path, name) = match details.split_once(':') {
        Some((path, name)) if transport != Transport::Dir => (path, Some(name).filter(|name| !name.is_empty())),
        _ => (details, None),
    };
    if path.is_empty() && transport == Transport::DockerArchive {
        return Err(LocationError::NoPath(details.to_owned()));
    }
    let which = match name {
        None => Which::Only,
        Some(name) => match name.strip_prefix('@') {
            Some(index) => Which::At(place_in(index)?),
            None if transport == Transport::DockerArchive => Which::Named(tagged(name)?),
            None => Which::Named(name.to_owned()),
        },
    };
    // As Podman has it, no path is the folder that one is in.
    let path = PathBuf::from(if path.is_empty() { "." } else { path });
    Ok(Location::Path { transport, path, which })
}

fn place_in(index: &str) -> Result<usize, LocationError> {
    match index.parse::<i64>().map(usize::try_from) {
        Ok(Ok(index)) => Ok(index),
        Ok(Err(_)) => Err(LocationError::NegativeIndex(index.to_owned())),
        Err(_) => Err(LocationError::Index(index.to_owned())),
    }
}

/// The full name of an image in a docker archive, which takes a short one as Docker does.
fn tagged(name: &str) -> Result<String, LocationError> {
    let reference: Reference = name.parse()?;
    match reference.digest() {
        Some(_) => Err(LocationError::Digest(reference)),
        None => Ok(reference.to_string()),
    }
}

fn here(details: &str) -> Result<Location, LocationError> {
    if details.is_empty() {
        return Err(LocationError::Empty(details.to_owned()));
    }
    if details.starts_with('[') {
        return Err(LocationError::OtherStore(details.to_owned()));
    }
    let name: Name = details.parse()?;
    Ok(Location::Here(name.full().map_or_else(|| details.parse(), Ok)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<String>, String> {
        Location::parse(text).map(|place| place.map(|place| place.to_string())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_place_is_a_transport_a_path_and_which() {
        for (text, expected) in [
            ("docker-archive:a.tar", "docker-archive:a.tar"),
            ("docker-archive:a.tar:foo", "docker-archive:a.tar:docker.io/library/foo:latest"),
            ("docker-archive:a.tar:@3", "docker-archive:a.tar:@3"),
            ("oci-archive:/x/a.tar:foo:bar", "oci-archive:/x/a.tar:foo:bar"),
            ("oci:a", "oci:a"),
            ("oci:", "oci:."),
            ("dir:a:b", "dir:a:b"),
            ("containers-storage:foo", "containers-storage:docker.io/library/foo:latest"),
        ] {
            assert_eq!(parsed(text).unwrap().as_deref(), Some(expected), "{text}");
        }
        for name in ["busybox", "localhost:5000/x", "docker://x", "docker:x", "atomic:x", "dir"] {
            assert_eq!(parsed(name), Ok(None), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_in_podman_s_words() {
        for (text, words) in [
            ("docker-archive:", "docker-archive reference  isn't of the form <path>[:<reference>]"),
            ("docker-archive:a:@x", "Invalid source index @x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("docker-archive:a:@-1", "Invalid source index @-1: must not be negative"),
            ("containers-storage:", "\"\" is an empty reference: invalid reference"),
            ("ostree:x", "The transport \"ostree:\" is not supported in this build"),
        ] {
            assert_eq!(parsed(text).unwrap_err(), words);
        }
        let digest = format!("docker-archive:a:b@sha256:{}", "0".repeat(64));
        assert!(parsed(&digest).unwrap_err().starts_with("reference does not include a tag: docker.io/library/b@"));
        assert!(parsed("docker-daemon:x:y").unwrap_err().contains("docker save x:y | haulout load"));
    }
}

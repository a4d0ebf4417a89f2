// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A store of Podman's (the overlay layout of containers-storage), read where it lies and never written to.
//!
//! `overlay-images/images.json` lists the images, `overlay-images/<id>/` has their documents (under `=` and the base64 of a name that is
//! no plain word), `overlay-layers/layers.json` lists the layers, each with its parent, and `overlay/<layer>/diff` has a layer's files,
//! owned by the same subordinate ids as ours, with overlay's whiteouts. Whoever changes the store locks `layers.lock` to write.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use rustix::io::Errno;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Kept, Stack, tar_split};
use crate::digest::Digest;
use crate::image::reference::Reference;
use crate::image::{Config, LAYERS_MAX};

/// A document of an image is no longer than that, in bytes.
const DOCUMENT_MAX: u64 = 4 << 20;

/// Why a store could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PodmanError {
    /// One of its lists.
    #[error("reading the image store: loading {path:?}")]
    List {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// Its layers say what is removed in files (`.wh.…`), which the kernel's overlay does not know: it would show what was removed.
    #[error(
        "the image store {} was made with a mount program (fuse-overlayfs): the kernel cannot mount its layers; load its images from archives instead",
        store.display()
    )]
    MountProgram {
        /// The store.
        store: PathBuf,
    },
    /// A layer that was here is not here any more.
    #[error("the files of layer {layer} are not in {} any more: its image was removed there", store.display())]
    Gone {
        /// Its id there.
        layer: String,
        /// The store.
        store: PathBuf,
    },
}

/// An image as the store has it, checked as far as its documents go.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) id: Digest,
    pub(crate) digest: Digest,
    /// Other digests that it is known by.
    pub(crate) digests: Vec<Digest>,
    pub(crate) config: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) created: i64,
    /// The newest first.
    pub(crate) names: Vec<Reference>,
    /// The lowest first.
    pub(crate) layers: Vec<Layer>,
}

/// A layer of an image.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// What the store calls it: the same tar on other layers is another one.
    pub(crate) id: String,
    pub(crate) diff_id: Digest,
    pub(crate) tar_size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ListedImage {
    id: String,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    layer: Option<String>,
    #[serde(default)]
    big_data_digests: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ListedLayer {
    id: String,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    diff_digest: Option<String>,
    #[serde(default)]
    diff_size: Option<u64>,
    #[serde(default)]
    flags: Option<BTreeMap<String, serde_json::Value>>,
}

/// Which state of the store was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp([Option<SystemTime>; 2]);

/// A store.
#[derive(Clone, Debug)]
pub(crate) struct Podman {
    root: PathBuf,
}

impl Podman {
    /// The store in that folder, if it is one.
    pub(crate) fn at(root: &Path) -> Option<Self> {
        root.join("overlay-images").is_dir().then(|| Self { root: root.to_owned() })
    }

    fn images_list(&self) -> PathBuf {
        self.root.join("overlay-images/images.json")
    }

    fn layers_list(&self) -> PathBuf {
        self.root.join("overlay-layers/layers.json")
    }

    /// Its state now: another one when anything was changed since.
    pub(crate) fn stamp(&self) -> Stamp {
        let time = |path: PathBuf| path.metadata().and_then(|found| found.modified()).ok();
        Stamp([time(self.images_list()), time(self.layers_list())])
    }

    /// Its images, but for those that are not whole: of what somebody removes meanwhile there is a part.
    pub(crate) fn images(&self) -> Result<Vec<Image>, PodmanError> {
        if std::fs::read(self.root.join("overlay/.has-mount-program")).is_ok_and(|said| said.starts_with(b"true")) {
            return Err(PodmanError::MountProgram { store: self.root.clone() });
        }
        let images: Vec<ListedImage> = list(&self.images_list())?;
        let layers: Vec<ListedLayer> = list(&self.layers_list())?;
        let layers: HashMap<String, ListedLayer> = layers.into_iter().map(|layer| (layer.id.clone(), layer)).collect();
        let whole = images.iter().filter_map(|image| {
            let whole = self.image(image, &layers);
            if let Err(why) = &whole {
                tracing::info!("image {} in {} is not used: {why}", image.id, self.root.display());
            }
            whole.ok()
        });
        let whole: Vec<Image> = whole.collect();
        // What was on the way to another image of a build, and has no name, is nobody's to use.
        let is_below = |image: &Image, other: &Image| {
            other.layers.len() > image.layers.len()
                && other.layers.iter().zip(&image.layers).all(|(theirs, ours)| theirs.id == ours.id)
        };
        let is_on_the_way = |image: &Image| image.names.is_empty() && whole.iter().any(|other| is_below(image, other));
        Ok(whole.iter().filter(|image| !is_on_the_way(image)).cloned().collect())
    }

    fn image(&self, listed: &ListedImage, layers: &HashMap<String, ListedLayer>) -> Result<Image, String> {
        let id = Digest::from_hex(&listed.id).map_err(|error| error.to_string())?;
        let top = listed.layer.clone().filter(|layer| !layer.is_empty());
        let config = self.document(&listed.id, &id.to_string())?;
        if Digest::of(&config) != id {
            return Err("its configuration is not what its id says".to_owned());
        }
        let digest: Digest =
            listed.digest.as_deref().ok_or("it has no digest")?.parse().map_err(|_| "its digest is none")?;
        let manifest = self
            .document(&listed.id, &format!("manifest-{digest}"))
            .or_else(|_| self.document(&listed.id, "manifest"))?;
        if Digest::of(&manifest) != digest {
            return Err("its manifest is not what its digest says".to_owned());
        }
        let parsed = Config::parse_alone(&config).map_err(|error| error.to_string())?;
        let layers = stack(top, layers, &parsed.diff_ids)?;
        let names = listed.names.iter().flatten().filter_map(|name| name.parse().ok()).collect();
        let others = listed.big_data_digests.iter().flatten().filter(|(name, _)| name.starts_with("manifest"));
        let digests = others.filter_map(|(_, digest)| digest.parse().ok()).collect();
        Ok(Image { id, digest, digests, config, manifest, created: parsed.created, names, layers })
    }

    /// A document of an image.
    fn document(&self, image: &str, name: &str) -> Result<Vec<u8>, String> {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let file = if plain { name.to_owned() } else { format!("={}", URL_SAFE.encode(name)) };
        let path = self.root.join("overlay-images").join(image).join(file);
        read_at_most(&path, DOCUMENT_MAX).map_err(|error| format!("reading {}: {error}", path.display()))
    }

    /// Where the files of an image's layers are.
    pub(crate) fn stack(&self, layers: &[Layer]) -> Stack {
        let mut seen = Vec::new();
        let mut stack = Vec::new();
        for layer in layers.iter().rev() {
            if !seen.contains(&layer.diff_id) {
                seen.push(layer.diff_id);
                stack.push(Path::new(&layer.id).join("diff"));
            }
        }
        Stack { root: self.root.join("overlay"), layers: stack }
    }

    /// What a layer's tar is put together from.
    pub(crate) fn kept(&self, layer: &Layer) -> Kept {
        let parts = format!("{}.{}", layer.id, tar_split::EXTENSION);
        Kept { layer: self.root.join("overlay").join(&layer.id), parts: self.root.join("overlay-layers").join(parts) }
    }
}

/// The right to find layers where they are, as Podman gives it: as long as this is held, none is removed.
#[derive(Debug)]
pub(crate) struct Held {
    _lock: Option<File>,
}

impl Held {
    /// Waits for it, and looks whether the layers are there. A store that nobody can write to, as on a medium, has no lock. Blocks.
    pub(crate) fn take(stack: &Stack) -> Result<Self, PodmanError> {
        let store = stack.root.parent().unwrap_or(&stack.root).to_owned();
        let path = store.join("overlay-layers/layers.lock");
        let lock = File::open(&path).ok();
        if let Some(lock) = &lock {
            read_lock(lock).map_err(|errno| PodmanError::List { path: path.clone(), source: errno.into() })?;
        }
        let gone = stack.layers.iter().find(|layer| !stack.root.join(layer).is_dir());
        if let Some(layer) = gone {
            let layer = layer.parent().unwrap_or(layer).display().to_string();
            return Err(PodmanError::Gone { layer, store });
        }
        Ok(Self { _lock: lock })
    }
}

/// Waits for a lock of fcntl(2) to read, of the open file and not of the process: a child that is forked meanwhile must not lose it.
fn read_lock(file: &File) -> Result<(), Errno> {
    use nix::fcntl::{FcntlArg, fcntl};
    let whole = libc::flock {
        l_type: i16::try_from(libc::F_RDLCK).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLKW(&whole)).map(drop).map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

/// The layers from `top` down to the one without a parent, the lowest first, which have to be `diff_ids`.
fn stack(
    top: Option<String>,
    layers: &HashMap<String, ListedLayer>,
    diff_ids: &[Digest],
) -> Result<Vec<Layer>, String> {
    let mut stack = Vec::new();
    let mut next = top;
    while let Some(id) = next {
        let layer = layers.get(&id).ok_or_else(|| format!("its layer {id} is not there"))?;
        if layer.flags.as_ref().is_some_and(|flags| flags.contains_key("incomplete")) {
            return Err(format!("its layer {id} is incomplete"));
        }
        let Some(diff_id) = diff_ids.len().checked_sub(stack.len() + 1).map(|index| diff_ids[index]) else {
            return Err("it has more layers than its configuration says".to_owned());
        };
        let is_it = layer.diff_digest.as_deref().is_none_or(|digest| digest == diff_id.to_string());
        // What is used as a path is one.
        if !is_it || Digest::from_hex(&id).is_err() || stack.len() >= LAYERS_MAX {
            return Err(format!("its layer {id} is not what its configuration says"));
        }
        stack.push(Layer { id, diff_id, tar_size: layer.diff_size.unwrap_or(0) });
        next = layer.parent.clone().filter(|parent| !parent.is_empty());
    }
    if stack.len() != diff_ids.len() {
        return Err("it has fewer layers than its configuration says".to_owned());
    }
    stack.reverse();
    Ok(stack)
}

/// A list of the store's; without the file there is nothing in it.
fn list<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, PodmanError> {
    let failed = |source| PodmanError::List { path: path.to_owned(), source };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))
}

fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(id: char, parent: Option<char>, diff: &str) -> (String, ListedLayer) {
        let name = |id: char| id.to_string().repeat(64);
        let diff_digest = Some(Digest::of(diff.as_bytes()).to_string());
        let parent = parent.map(name);
        (name(id), ListedLayer { id: name(id), parent, diff_digest, diff_size: Some(1), flags: None })
    }

    #[test]
    fn a_stack_of_layers_is_what_the_configuration_says_or_none() {
        let layers = HashMap::from([layer('a', None, "1"), layer('b', Some('a'), "2"), layer('c', Some('c'), "1")]);
        let digests: Vec<Digest> = ["1", "2"].map(|text| Digest::of(text.as_bytes())).to_vec();
        let found = |top: char, diff_ids: &[Digest]| {
            let stack = stack(Some(top.to_string().repeat(64)), &layers, diff_ids);
            stack.map(|stack| stack.iter().map(|layer| layer.id[..1].to_owned()).collect::<String>())
        };
        assert_eq!(found('b', &digests), Ok("ab".to_owned()));
        assert_eq!(found('a', &digests[..1]), Ok("a".to_owned()));
        for (top, diff_ids) in [('b', &digests[..1]), ('a', &digests[..]), ('b', &[digests[1], digests[0]])] {
            assert!(found(top, diff_ids).is_err(), "{top}");
        }
        // One that is its own parent, and one that is not there.
        assert!(found('c', &[digests[0]; 2]).is_err());
        assert!(found('d', &digests).is_err());
    }

    #[test]
    fn a_folder_without_lists_has_no_images_and_a_broken_list_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Podman::at(folder.path()).is_none());
        std::fs::create_dir(folder.path().join("overlay-images")).unwrap();
        let store = Podman::at(folder.path()).unwrap();
        assert!(store.images().unwrap().is_empty());
        std::fs::write(folder.path().join("overlay-images/images.json"), "x").unwrap();
        assert!(store.images().unwrap_err().to_string().contains("overlay-images/images.json"));
    }
}

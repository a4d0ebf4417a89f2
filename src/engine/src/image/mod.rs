// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images.

mod adopt;
mod archive;
mod document;
mod history;
mod import;
mod index;
mod input;
mod install;
mod lineage;
mod list;
mod load;
mod manifest;
pub(crate) mod mount;
pub(crate) mod names;
mod newest;
pub(crate) mod packing;
pub mod platform;
pub(crate) mod progress;
mod pull;
mod push;
pub mod reference;
mod registry;
mod save;
pub mod signature;
mod space;
mod transport;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

use crate::config::Folders;
use crate::config::auth::{AuthFiles, Credentials};
use crate::config::registries::{Candidates, Registries};
use crate::container::Change;
use crate::container::changes::{between, compare};
use crate::digest::Digest;
use crate::engine::{Engine, Error, Progress, chain};
use crate::event::{self, Event, Kind};
use crate::image::reference::Reference;

use platform::Platform;

pub use archive::ArchiveError;
pub(crate) use document::{ContainerConfig, Set};
pub use history::{HistoryEntry, Tree, TreeBranch, TreeLayer};
pub use import::ImportOptions;
pub use index::{
    ArtifactOptions, ListProgress, ListPush, ManifestList, ManifestLists, Member, MemberChange, MemberPlatform, Source,
    Subject,
};
pub(crate) use install::sweep_litter;
pub use lineage::Lineage;
pub(crate) use list::labels_in;
pub use manifest::ManifestError;
pub(crate) use manifest::{Config, LAYERS_MAX};
pub(crate) use newest::Newest;
pub use packing::Packing;
pub use pull::PullError;
pub use push::{ManifestFormat, PushError, PushOptions};
pub use registry::{Reason, RegistryError, SearchResult};
pub use save::{LayoutName, SaveAs, SaveImage, SaveTo};
pub use signature::{SignWith, SignatureError};
pub use space::Space;
pub use transport::{Location, LocationError, Transport, Which};

/// The operations on images.
#[derive(Clone)]
pub struct Images {
    engine: Engine,
}

/// An image in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The digest of its configuration.
    pub id: Digest,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its names, `registry/repository:tag`, the newest first; none for a dangling one, or one that was fetched by digest.
    pub names: Vec<String>,
    /// Its names by digest, `registry/repository@digest`: every repository that it is called by, with every digest that it came
    /// through.
    pub repo_digests: Vec<String>,
    /// When it was built, in seconds since 1970.
    pub created: i64,
    /// The bytes of its layers' archives unpacked, its manifest and its configuration, as Podman counts.
    pub size: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How many containers are made from it.
    pub containers: usize,
    /// It is in an additional store, and cannot be changed.
    #[serde(default)]
    pub read_only: bool,
}

/// Everything about one image.
#[derive(Clone, Debug)]
pub struct Details {
    /// As in a list.
    pub summary: Summary,
    /// Its configuration (OCI image specification, config.md).
    pub config: oci_spec::image::ImageConfiguration,
    /// Its manifest.
    pub manifest: oci_spec::image::ImageManifest,
    /// Its configuration as it was received: Docker's has fields that OCI's has not.
    pub config_bytes: Vec<u8>,
    /// Its manifest as it was received.
    pub manifest_bytes: Vec<u8>,
    /// Its layers' folders, the uppermost first.
    pub layers: Vec<std::path::PathBuf>,
}

/// What `pull` is to do.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// `os/arch[/variant]` other than this machine's.
    pub platform: Option<String>,
    /// Whether TLS certificates are checked; as registries.conf says when nothing.
    pub tls_verify: Option<bool>,
    /// User and password; as auth.json says when nothing.
    pub credentials: Option<(String, String)>,
    /// Where credentials are, instead of the usual places.
    pub auth_file: Option<std::path::PathBuf>,
    /// Where certificates are, instead of `certs.d`.
    pub certificates: Option<std::path::PathBuf>,
    /// The file that says which images are let in, instead of policy.json.
    pub policy: Option<std::path::PathBuf>,
}

/// How far a pull is. Every stream ends with one [`PullProgress::Done`] or an error.
#[derive(Clone, Debug)]
pub enum PullProgress {
    /// What a short name stands for, in Podman's words: an alias, or the registries that are searched.
    Resolved(String),
    /// Which name is tried: a short name may stand for several.
    Trying(String),
    /// The manifest is here: the layers that are to be fetched (and those that are here already).
    Layers(Vec<PullLayer>),
    /// A layer's bytes received so far.
    Fetched {
        /// The digest of its blob.
        blob: Digest,
        /// Bytes.
        bytes: u64,
    },
    /// A layer is unpacked and safe.
    Unpacked {
        /// The digest of its blob.
        blob: Digest,
    },
    /// Writing the manifest: everything is here.
    Committing,
    /// It is here whole.
    Done {
        /// The image's id.
        id: Digest,
        /// The name it now has.
        name: String,
    },
}

impl PullOptions {
    /// For which machines it is to be.
    fn platform(&self) -> Result<Platform, Error> {
        self.platform
            .as_ref()
            .map_or_else(|| Ok(Platform::of_this_machine()), |text| text.parse().map_err(Error::Invalid))
    }

    /// How a registry is spoken to.
    fn access(&self, reference: &reference::Reference, registries: &Registries) -> Result<registry::Access, Error> {
        let credentials = match (&self.credentials, &self.auth_file) {
            (Some((user, password)), _) => {
                Some(Credentials::Password { user: user.clone(), password: password.clone() })
            }
            (None, file) => {
                let folders = Folders::from_environment();
                let files = file.clone().map_or_else(|| AuthFiles::from_environment(&folders), AuthFiles::only);
                files.kept_by(registries.credential_helpers()).credentials(reference)?
            }
        };
        Ok(registry::Access { credentials, certificates: self.certificates.clone() })
    }
}

/// How far a push or a save is. Every stream ends with one [`PushProgress::Done`] for each image, or an error.
#[derive(Clone, Debug)]
pub enum PushProgress {
    /// What is sent: layers by their digest unpacked, with the bytes of their tar.
    Layers(Vec<PullLayer>),
    /// Bytes of a layer sent so far, as it travels.
    Sent {
        /// The layer.
        blob: Digest,
        /// Bytes.
        bytes: u64,
    },
    /// A layer is there.
    Copied {
        /// The layer.
        blob: Digest,
    },
    /// A layer was there before, and was not sent.
    Skipped {
        /// The layer.
        blob: Digest,
    },
    /// The configuration is sent.
    Config(Digest),
    /// The manifest is there.
    Written,
    /// It is being signed: what is done, in Podman's words.
    Signing(&'static str),
    /// It is there whole.
    Done {
        /// The digest of its manifest.
        digest: Digest,
    },
}

/// A layer of an image that is being pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullLayer {
    /// The digest of its blob.
    pub blob: Digest,
    /// Its bytes as they travel.
    pub size: u64,
    /// Whether it was here before.
    pub present: bool,
}

impl PullLayer {
    /// What stands for the digest of a tar that is being imported: it is known when all of it is here.
    pub const UNNAMED: Digest = Digest::from_bytes([0; 32]);
}

/// What removing an image did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// A name went.
    Untagged(String),
    /// The image itself went.
    Deleted(Digest),
}

/// So many layers are fetched or sent at once, if containers.conf does not say (`image_parallel_copies`); as Podman.
const AT_ONCE: usize = 3;

/// How many layers are fetched or sent at once.
async fn at_once(engine: &Engine) -> Result<usize, Error> {
    let reading = engine.clone();
    let settings = engine.blocking("reading containers.conf", move || reading.settings()).await?;
    let said = settings.engine.image_parallel_copies.filter(|count| *count > 0);
    Ok(said.map_or(AT_ONCE, |count| usize::try_from(count).unwrap_or(MOST_AT_ONCE).min(MOST_AT_ONCE)))
}

/// More connections than that no registry has for one who pulls.
const MOST_AT_ONCE: usize = 64;

impl Images {
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine }
    }

    /// The image that `name` stands for: a name, an id, the beginning of just one id, or `name@digest`.
    pub async fn resolve(&self, name: &str) -> Result<Digest, Error> {
        Ok(self.find(name).await?.id)
    }

    /// All of them, the newest first.
    pub async fn list(&self) -> Result<Vec<Summary>, Error> {
        self.all().await
    }

    /// Everything about `name`.
    pub async fn inspect(&self, name: &str) -> Result<Details, Error> {
        self.details(name).await
    }

    /// The full names that `name` may stand for when it is pulled, and why: to be shown, or to be chosen from.
    pub async fn candidates(&self, name: &str) -> Result<Candidates, Error> {
        Ok(pull::candidates(&self.engine, name, true).await?.1)
    }

    /// The full names from which somebody should choose before `name` is pulled; none when there is nothing to choose.
    pub async fn choices(&self, name: &str) -> Result<Vec<Reference>, Error> {
        pull::choices(&self.engine, name).await
    }

    /// Notes that the short name `name` means the repository of `chosen` from now on.
    pub async fn remember_choice(&self, name: &str, chosen: &Reference) -> Result<(), Error> {
        pull::remember(&self.engine, name, chosen).await
    }

    /// Fetches `name` from its registry.
    pub fn pull(&self, name: &str, options: PullOptions) -> Progress<PullProgress> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        progress::stream(move |reporter| pull::pull(engine, name, options, reporter))
    }

    /// Reads a docker or OCI archive, packed or not, from a file or a pipe. One `Done` for every name that an image of it has, or for
    /// one without (then its id is the name). Of `options` the platform and the policy count.
    pub fn load(&self, archive: OwnedFd, options: &PullOptions) -> Progress<PullProgress> {
        self.load_wanted(load::Wanted::Everything(archive), options)
    }

    /// Reads what `location` says, for the platform that `options` say or this machine's. One `Done` for every name, as with
    /// [`Self::load`].
    pub fn load_from(&self, location: Location, options: &PullOptions) -> Progress<PullProgress> {
        self.load_wanted(load::Wanted::At(location), options)
    }

    fn load_wanted(&self, wanted: load::Wanted, options: &PullOptions) -> Progress<PullProgress> {
        let (engine, options) = (self.engine.clone(), options.clone());
        progress::stream(move |reporter| async move { load::load(engine, wanted, &options, reporter).await })
    }

    /// Makes an image of one layer from a tar, packed or not, named `name` if any.
    pub fn import(&self, tar: OwnedFd, name: Option<&str>, options: &ImportOptions) -> Progress<PullProgress> {
        let engine = self.engine.clone();
        let import = import::Import::parse(name, options);
        progress::stream(move |reporter| async move { import?.run(engine, tar, reporter).await })
    }

    /// Fetches what a web server has at `url` into a nameless file.
    pub async fn download(&self, url: &str) -> Result<OwnedFd, Error> {
        let folder = self.engine.paths().layers();
        let failed = |source| Error::Io { doing: format!("making a file in {}", folder.display()), source };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let mut file = tempfile::tempfile_in(&folder).map_err(failed)?;
        registry::download(url, &mut file).await?;
        Ok(file.into())
    }

    /// Sends the image `name` to a registry, where it is to be called `destination`.
    pub fn push(&self, name: &str, destination: &str, options: PushOptions) -> Progress<PushProgress> {
        let (engine, name, destination) = (self.engine.clone(), name.to_owned(), destination.to_owned());
        progress::stream(move |reporter| push::push(engine, name, destination, options, reporter))
    }

    /// Signs the image `name` as its registry has it, every member of a list with `all`: in `folder`, or where registries.d says.
    pub async fn sign(
        &self,
        name: &str,
        user: &str,
        folder: Option<std::path::PathBuf>,
        all: bool,
        options: &PullOptions,
    ) -> Result<(), Error> {
        push::sign(&self.engine, name, user, folder, all, options).await
    }

    /// Writes images to an archive or a folder, and signs what is written to a [`Transport::Dir`]. `Done` says the digest of each one's
    /// manifest there.
    pub fn save(&self, images: Vec<SaveImage>, to: SaveTo, form: SaveAs, sign: SignWith) -> Progress<PushProgress> {
        let engine = self.engine.clone();
        progress::stream(move |reporter| save::save(engine, images, to, form, sign, reporter))
    }

    /// Whether `registry` knows that user.
    pub async fn log_in(&self, registry: &str, options: &PullOptions) -> Result<(), Error> {
        Ok(push::repository(&self.engine, &format!("{registry}/x"), options).await?.log_in().await?)
    }

    /// What `registry` has whose name holds `term`.
    pub async fn search(
        &self,
        registry: &str,
        term: &str,
        limit: usize,
        options: &PullOptions,
    ) -> Result<Vec<SearchResult>, Error> {
        Ok(push::repository(&self.engine, &format!("{registry}/x"), options).await?.search(term, limit).await?)
    }

    /// The tags of the repository `name`, `registry/repository`.
    pub async fn tags(&self, name: &str, options: &PullOptions) -> Result<Vec<String>, Error> {
        Ok(push::repository(&self.engine, name, options).await?.tags().await?)
    }

    /// Takes names from an image, all when none is named; it stays, even without any.
    pub async fn untag(&self, source: &str, names: &[String]) -> Result<(), Error> {
        self.take_names(source, names).await
    }

    /// Gives the image `source` one more name.
    pub async fn tag(&self, source: &str, target: &str) -> Result<(), Error> {
        self.give_name(source, target).await
    }

    /// Removes an image that no container is made from, with all its names; not one that has a container.
    pub async fn remove_unused(&self, id: &Digest) -> Result<Vec<Removed>, Error> {
        self.take_away_unused(id).await
    }

    /// Reads a layer, which is to be what it was when it came.
    pub(crate) async fn verify_layer(&self, layer: Digest) -> Result<(), Error> {
        let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null");
        let nowhere = nowhere.map_err(|source| Error::Io { doing: "opening /dev/null".to_owned(), source })?;
        packing::write(&self.engine, layer, nowhere.into()).await
    }

    /// The steps in which `name` was made, the last first.
    pub async fn history(&self, name: &str) -> Result<Vec<HistoryEntry>, Error> {
        self.steps_of(name).await
    }

    /// How much of the disk each takes.
    pub async fn space(&self) -> Result<Vec<Space>, Error> {
        self.measure().await
    }

    /// What the last layer of `name` changes in those below it; with another image, what is other in it than in that one.
    pub async fn changes(&self, name: &str, than: Option<&str>) -> Result<Vec<Change>, Error> {
        let details = self.inspect(name).await?;
        if let Some(than) = than {
            let other = self.inspect(than).await?;
            return compare(&self.engine, details.layers, other.layers).await;
        }
        let Some((upper, lower)) = details.layers.split_first() else { return Ok(Vec::new()) };
        between(&self.engine, upper.clone(), lower.to_vec()).await
    }

    /// Mounts the files of `name` to be read, in this process's mount namespace, in which it has to be root; where.
    pub async fn mount(&self, name: &str) -> Result<std::path::PathBuf, Error> {
        self.mount_here(name).await
    }

    /// Ends such a mount; the image's id if there was one.
    pub async fn unmount(&self, name: &str) -> Result<Option<Digest>, Error> {
        self.unmount_here(name).await
    }

    /// The images that are mounted in this process's mount namespace, and where.
    pub async fn mounted(&self) -> Result<Vec<(Summary, std::path::PathBuf)>, Error> {
        self.mounted_here().await
    }

    /// The layers of `name`, and what else is built on them.
    pub async fn tree(&self, name: &str) -> Result<Tree, Error> {
        self.layers_of(name).await
    }

    /// Takes a name from an image, and the image with its last one; by id it is removed with its only name. `force` removes it
    /// by id with all its names, removes the containers made from it, and takes it for done when there is no such image.
    pub async fn remove(&self, name: &str, force: bool) -> Result<Vec<Removed>, Error> {
        self.take_away(name, force).await
    }
}

/// The digests of an image's layers unpacked, the lowest first.
fn diff_ids(details: &Details) -> Result<Vec<Digest>, Error> {
    let corrupt = |error: &dyn std::fmt::Display| {
        Error::Invalid(format!("reading the configuration of image {}: {error}", details.summary.id))
    };
    Ok(manifest::Config::parse_alone(&details.config_bytes).map_err(|error| corrupt(&error))?.diff_ids)
}

/// Says what happened to whoever follows the events. It has happened already, so nothing fails when that cannot be said.
pub(crate) fn announce(engine: &Engine, action: &str, id: &Digest, name: &str) {
    let event = Event { id: id.hex(), name: name.to_owned(), ..Event::of(Kind::Image, action, event::now()) };
    event::append(engine.paths(), &event);
}

/// Says that an image could not be fetched.
pub(crate) fn announce_failure(engine: &Engine, name: &str, error: &Error) {
    let (name, error) = (name.to_owned(), Some(chain(error)));
    event::append(engine.paths(), &Event { name, error, ..Event::of(Kind::Image, "pull-error", event::now()) });
}

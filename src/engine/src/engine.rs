// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The façade.

use std::collections::HashSet;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::Stream;
use futures_util::stream::BoxStream;

use crate::config::containers::{Settings, Told};
use crate::container::Containers;
use crate::event::Event;
use crate::image::Images;
use crate::info::Info;
use crate::paths::Paths;
use crate::secret::{SecretError, Secrets};
use crate::state::{Database, StateError};
use crate::step::{Answer, Step, Steps};
use crate::store::driver::Driver;
use crate::systemd::UserManager;
use crate::volume::Volumes;
use crate::{store, userns};

/// The engine of one user. Cheap to open (no process, no D-Bus, no lock) and to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    paths: Paths,
    told: Told,
    steps: Option<Steps>,
    /// Opened by the first who needs it.
    database: Mutex<Option<Database>>,
    warnings: Mutex<Warnings>,
    /// Held while the user namespace is made.
    anchoring: tokio::sync::Mutex<()>,
}

/// What was said already is not said again.
#[derive(Default)]
struct Warnings {
    said: HashSet<String>,
    waiting: Vec<String>,
}

impl Engine {
    /// An engine over `paths`. Without `steps` it can list, inspect and read logs, but what needs the user namespace
    /// answers [`Error::NoSteps`].
    pub fn open(paths: Paths, steps: Option<Steps>) -> Self {
        Self::open_told(paths, steps, Told::default())
    }

    /// The same for a command that was told what outranks containers.conf.
    pub fn open_told(paths: Paths, steps: Option<Steps>, told: Told) -> Self {
        let steps = steps.map(|steps| steps.anchored(paths.anchor()));
        let (database, warnings, anchoring) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Self { inner: Arc::new(Inner { paths, told, steps, database, warnings, anchoring }) }
    }

    /// Where it keeps things.
    pub fn paths(&self) -> &Paths {
        &self.inner.paths
    }

    /// What carries steps into the user namespace, which is there when this answers: the process that holds it, when it had to be
    /// made, is in a scope of its own, so that it does not end with whoever happened to be the first to need it.
    pub async fn steps(&self) -> Result<&Steps, Error> {
        let steps = self.inner.steps.as_ref().ok_or(Error::NoSteps)?;
        let anchor = self.inner.paths.anchor();
        if userns::is_root() || userns::anchor::alive(&anchor).is_some() {
            return Ok(steps);
        }
        let _one_at_a_time = self.inner.anchoring.lock().await;
        if let Answer::Anchor { pid, made, warning } = steps.run(&Step::Anchor, Vec::new()).await? {
            if let Some(warning) = warning {
                self.warn(warning);
            }
            if made && pid > 0 {
                self.scope_anchor(pid).await;
            }
        }
        Ok(steps)
    }

    /// Whether what carried steps into the user namespace has ended: another engine is to be opened then.
    pub fn has_lost_steps(&self) -> bool {
        self.inner.steps.as_ref().is_some_and(Steps::are_gone)
    }

    /// Without a user manager it stays where it was born.
    async fn scope_anchor(&self, pid: i32) {
        let unit = format!("haulout-anchor-{pid}.scope");
        let scope = async {
            let mut manager = UserManager::connect().await?;
            manager.start_scope(&unit, "Haulout's user namespace", pid, None, None).await
        };
        if let Err(error) = scope.await {
            tracing::info!("the process that holds the user namespace has no scope: {error}");
        }
    }

    /// What the machine lacks and was done without (a limit that could not be set, a scope that was not to be had), since
    /// the last call. Each is said once in the life of an engine. To be shown after `create` and `start`.
    pub fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self.inner.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut warnings.waiting)
    }

    /// Says `warning` to whoever takes the next ones, unless it was said before.
    pub(crate) fn warn(&self, warning: impl Into<String>) {
        let warning = warning.into();
        tracing::warn!("{warning}");
        let mut warnings = self.inner.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.said.insert(warning.clone()) {
            warnings.waiting.push(warning);
        }
    }

    /// What outranks containers.conf.
    pub(crate) fn told(&self) -> &Told {
        &self.inner.told
    }

    /// containers.conf, as it is now. Blocks.
    pub fn settings(&self) -> Result<Settings, Error> {
        let settings = Settings::load(&self.inner.told)?;
        for warning in &settings.warnings {
            self.warn(warning.clone());
        }
        Ok(settings)
    }

    /// The machine, the store and the programs that the engine runs.
    pub async fn info(&self) -> Result<Info, Error> {
        crate::info::gather(self).await
    }

    /// Does `job` with the database, on a thread that may block. One at a time: what has to wait for another process waits
    /// inside `job`.
    pub(crate) async fn state<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Database) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, Error> {
        let engine = self.clone();
        self.blocking("using the database", move || engine.with_database(|database| Ok(job(database)?))).await
    }

    /// Does `job` with the database. Blocks.
    pub(crate) fn with_database<T>(&self, job: impl FnOnce(&mut Database) -> Result<T, Error>) -> Result<T, Error> {
        let mut slot = self.inner.database.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = slot.as_mut() {
            return job(database);
        }
        let paths = &self.inner.paths;
        let failed = |doing, path: &std::path::Path| {
            let doing = format!("{doing} {}", path.display());
            move |source| Error::Io { doing, source }
        };
        store::settle_images(paths).map_err(Error::from)?;
        Driver::settle(paths).map_err(|(file, source)| failed("writing", &file)(source))?;
        let mut database = Database::open(&paths.database())?.with_stores(paths.layers(), &paths.elsewhere.images);
        let [may_be, live] = paths.transient();
        if may_be.exists() && !live.exists() {
            database.remove_transient()?;
            fs::create_dir_all(&paths.runtime).and_then(|()| fs::write(&live, "")).map_err(failed("writing", &live))?;
        }
        if database.is_alone() {
            return job(&mut database);
        }
        job(slot.insert(database))
    }

    /// Does `job` on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        doing: &'static str,
        job: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        tokio::task::spawn_blocking(job).await.map_err(|_| Error::Cancelled(doing))?
    }

    /// The containers.
    pub fn containers(&self) -> Containers {
        Containers::of(self.clone())
    }

    /// The images.
    pub fn images(&self) -> Images {
        Images::of(self.clone())
    }

    /// The volumes.
    pub fn volumes(&self) -> Volumes {
        Volumes::of(self.clone())
    }

    /// The secrets.
    pub fn secrets(&self) -> Secrets {
        Secrets::of(self.clone())
    }

    /// The updates of the units that run containers.
    pub fn updates(&self) -> crate::update::Updates {
        crate::update::Updates::of(self.clone())
    }

    /// The manifest lists.
    pub fn manifest_lists(&self) -> crate::image::ManifestLists {
        crate::image::ManifestLists::of(self.clone())
    }

    /// What has happened since nanosecond `since`, the oldest first.
    pub async fn past_events(&self, since: i64) -> Result<Vec<Event>, Error> {
        crate::event::past(self.paths(), since).await
    }

    /// What has happened since nanosecond `since` (nothing: from now on), then what happens, until dropped.
    /// A monitor that was killed is noticed here as well: its container's `died` event has no exit status.
    pub fn events(&self, since: Option<i64>) -> BoxStream<'static, Result<Event, Error>> {
        crate::event::follow(self.clone(), since)
    }
}

/// A stream of progress of long work; dropping it cancels the work and leaves nothing behind.
pub type Progress<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>;

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some messages say their cause themselves.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// An error of the operating system in the words that Go, and so Podman, has for it: the C library's, in lower case, without number.
pub fn os_words(error: &std::io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code).to_string(),
        None => return error.to_string(),
    };
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Why something could not be done. What a script matches on is in podman's words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing where the name or the id of something is wanted.
    #[error("name or ID cannot be empty")]
    NoName,
    /// Neither a name, nor an id, nor the beginning of just one id.
    #[error("no container with name or ID {0:?} found: no such container")]
    NoSuchContainer(String),
    /// The beginning of several ids.
    #[error("more than one result for container name or ID prefix {0}: container ID is ambiguous")]
    AmbiguousContainer(String),
    /// A second container of one name.
    #[error(
        "creating container storage: the container name {name:?} is already in use by {id}. You have to remove that container to be able to reuse that name: that name is already in use"
    )]
    NameInUse {
        /// The name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// A container that others cannot do without.
    #[error(
        "container {id} has dependent containers which must be removed before it: {}: container already exists",
        dependents.join(", ")
    )]
    HasDependents {
        /// The container.
        id: String,
        /// The others' ids.
        dependents: Vec<String>,
    },
    /// An image that is not here.
    #[error("{0}: image not known")]
    NoSuchImage(String),
    /// An image where a manifest list is wanted; Podman's words.
    #[error("{0}: image is not a manifest list")]
    NoManifestList(String),
    /// An image of an additional store, which is not ours to change.
    #[error("cannot remove read-only image \"{0}\"")]
    ReadOnlyImage(String),
    /// An additional store.
    #[error(transparent)]
    AdditionalStore(#[from] crate::store::podman::PodmanError),
    /// The beginning of several ids.
    #[error("{0}: image ID prefix is ambiguous")]
    AmbiguousImage(String),
    /// A text that is no image's name.
    #[error(transparent)]
    Reference(#[from] crate::image::reference::ReferenceError),
    /// registries.conf.
    #[error(transparent)]
    Registries(#[from] crate::config::registries::RegistriesError),
    /// registries.d.
    #[error(transparent)]
    Lookaside(#[from] crate::config::lookaside::LookasideError),
    /// An image's signatures.
    #[error(transparent)]
    Signature(Box<crate::image::SignatureError>),
    /// policy.json, or what it says.
    #[error(transparent)]
    Policy(#[from] crate::config::policy::PolicyError),
    /// auth.json.
    #[error(transparent)]
    Auth(#[from] crate::config::auth::AuthError),
    /// Layers on disk.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// Fetching an image.
    #[error(transparent)]
    Pull(Box<crate::image::PullError>),
    /// An archive of images.
    #[error(transparent)]
    Archive(#[from] crate::image::ArchiveError),
    /// A layer that is not what it should be.
    #[error("unpacking layer {blob}")]
    Layer {
        /// What it came as.
        blob: crate::digest::Digest,
        /// What is wrong with it.
        source: crate::store::LayerError,
    },
    /// A layer that cannot be put together again.
    #[error("reading layer {layer}")]
    Packing {
        /// The layer.
        layer: crate::digest::Digest,
        /// What is wrong with it.
        source: crate::store::LayerError,
    },
    /// Sending an image.
    #[error(transparent)]
    Push(Box<crate::image::PushError>),
    /// Asking a registry for something that is no image.
    #[error(transparent)]
    Registry(Box<crate::image::RegistryError>),
    /// An image that containers are made from.
    #[error(
        "image used by {containers}: image is in use by a container: consider listing external containers and force-removing image"
    )]
    ImageInUse {
        /// The image.
        image: String,
        /// The containers.
        containers: String,
    },
    /// Neither a volume's name nor the beginning of just one.
    #[error("no volume with name {0:?} found: no such volume")]
    NoSuchVolume(String),
    /// The beginning of several names.
    #[error("more than one result for volume name {0}: volume already exists")]
    AmbiguousVolume(String),
    /// A second volume of one name.
    #[error("volume with name {0} already exists: volume already exists")]
    VolumeExists(String),
    /// A volume of an image that is not here.
    #[error("looking up image {image} to create volume failed")]
    ImageOfVolume {
        /// The image.
        image: String,
        /// Why it was not found.
        source: Box<Error>,
    },
    /// A volume that containers have.
    #[error("volume {name} is being used by the following container(s): {containers}: volume is being used")]
    VolumeInUse {
        /// The volume.
        name: String,
        /// The containers.
        containers: String,
    },
    /// A secret.
    #[error(transparent)]
    Secret(Box<SecretError>),
    /// The container is not in a state in which that can be done.
    #[error("{0}")]
    WrongState(String),
    /// An option that makes no sense; names it.
    #[error("{0}")]
    Invalid(String),
    /// The container's process could not be started; `status` is 125, 126 or 127.
    #[error("{message}")]
    Start {
        /// What the command line exits with.
        status: u8,
        /// In the runtime's words.
        message: String,
    },
    /// Options of which no OCI specification can be made.
    #[error(transparent)]
    Spec(#[from] crate::spec::SpecError),
    /// containers.conf.
    #[error(transparent)]
    Settings(#[from] crate::config::containers::SettingsError),
    /// Our own config.toml.
    #[error(transparent)]
    Limits(#[from] crate::config::limits::LimitsError),
    /// storage.conf.
    #[error(transparent)]
    Storage(#[from] crate::config::storage::StorageError),
    /// A program that is missing.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::RuntimeError),
    /// The caller opened the engine without steps.
    #[error("this needs the user namespace, and the engine was opened without a zygote")]
    NoSteps,
    /// The database.
    #[error(transparent)]
    State(#[from] StateError),
    /// config.toml.
    #[error(transparent)]
    Updates(#[from] crate::update::settings::UpdateSettingsError),
    /// What goes into the user namespace.
    #[error(transparent)]
    Step(#[from] crate::step::StepError),
    /// The program is ending.
    #[error("{0} was cut short")]
    Cancelled(&'static str),
    /// A file or a system call.
    #[error("{doing}")]
    Io {
        /// What was being done to what.
        doing: String,
        /// What came back.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the same may well succeed a moment later: a connection that broke, a registry that is overloaded.
    pub fn may_pass(&self) -> bool {
        let registry = match self {
            Self::Pull(error) => error.registry(),
            Self::Push(error) => Some(error.registry()),
            Self::Registry(error) => Some(error.as_ref()),
            _ => None,
        };
        registry.is_some_and(crate::image::RegistryError::may_pass)
    }
}

impl From<crate::image::PushError> for Error {
    fn from(error: crate::image::PushError) -> Self {
        Self::Push(Box::new(error))
    }
}

impl From<crate::image::RegistryError> for Error {
    fn from(error: crate::image::RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl From<crate::image::PullError> for Error {
    fn from(error: crate::image::PullError) -> Self {
        Self::Pull(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_error_of_the_system_is_said_in_lower_case_without_its_number() {
        assert_eq!(os_words(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(os_words(&io::Error::from_raw_os_error(13)), "permission denied");
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An image of a container: the layers of its image, one more with what it has changed, and a configuration of both.

mod instruction;
mod word;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::base::root_of;
use super::files::Held;
use super::{ContainerId, Containers, Details, Record, Status};
use crate::digest::Digest;
use crate::engine::Error;
use crate::event;
use crate::image::names::new_name;
use crate::image::reference::Reference;
use crate::image::{ContainerConfig, Packing, Set, packing};
use crate::state::{StateError, images};
use crate::step::{Compression, Step, StepError};
use crate::store::{self, Commit, Staging, UnpackFailure, Unpacked};

/// How an image is made of a container.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// What it is to be called.
    pub name: Option<String>,
    /// Who made it.
    pub author: String,
    /// Why. Only a manifest of Docker's has a place for it.
    pub message: String,
    /// A configuration in JSON (that of Docker's image manifest version 2, schema 2) that goes over the container's.
    pub config: Option<Vec<u8>>,
    /// Instructions for its configuration: `CMD=/bin/sh`.
    pub changes: Vec<String>,
    /// The container's processes stand still meanwhile.
    pub pause: bool,
    /// Docker's kind of manifest instead of OCI's.
    pub docker: bool,
    /// One layer with everything.
    pub squash: bool,
    /// The container's volumes become the image's.
    pub include_volumes: bool,
}

/// An image that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its id.
    pub id: Digest,
    /// Its layers, the lowest first.
    pub layers: Vec<Digest>,
}

/// What is said of the new image.
struct Said {
    config: ContainerConfig,
    /// Its health check, if not its base's.
    health: Option<Value>,
}

/// In Podman's words.
const EXPLODED: &str = "cannot commit a container that uses an exploded rootfs";

impl Containers {
    pub(super) async fn commit_one(&self, id: &ContainerId, options: CommitOptions) -> Result<Committed, Error> {
        let name = options.name.as_deref().map(new_name).transpose()?;
        let details = self.inspect(id).await?;
        if details.summary.record.image.is_none() {
            return Err(Error::Invalid(EXPLODED.to_owned()));
        }
        let mut config = configuration(&details, options.include_volumes);
        if let Some(given) = &options.config {
            let given: Given = serde_json::from_slice(given)
                .map_err(|error| Error::Invalid(format!("parsing the configuration for the image: {error}")))?;
            given.over(&mut config);
        }
        let health = instruction::apply(&mut config, &options.changes)
            .map_err(|error| Error::Invalid(format!("applying changes: {error}")))?;
        let config = Said { config, health: health.filter(|_| options.docker) };
        loop {
            let held = self.hold(id).await?;
            let pauses = options.pause && matches!(self.look(id).await?.status, Status::Running(_));
            if pauses {
                match self.pause(id).await {
                    // It has just ended, or somebody else has paused it.
                    Err(Error::WrongState(_)) => continue,
                    paused => paused?,
                }
            }
            let made = self.make_image(&held, &details, &config, &options, name.clone()).await;
            if pauses {
                // Whatever became of the image, the container goes on; unless it goes on already, or has been ended.
                match self.unpause(id).await {
                    Ok(()) | Err(Error::WrongState(_) | Error::NoSuchContainer(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            match made {
                Err(Error::Step(StepError::Ended)) => {}
                made => {
                    let made = made?;
                    event::append(self.engine.paths(), &held.record.event("commit", None));
                    return Ok(made);
                }
            }
        }
    }

    async fn make_image(
        &self,
        held: &Held,
        details: &Details,
        config: &Said,
        options: &CommitOptions,
        name: Option<Reference>,
    ) -> Result<Committed, Error> {
        let step = if options.squash {
            Step::Export(held.place.clone())
        } else {
            let (engine, record) = (self.engine.clone(), held.record.clone());
            let root = self.engine.blocking("finding a container's files", move || root_of(&engine, &record)).await?;
            Step::Commit { root: Box::new(root), mapping: held.place.mapping().cloned() }
        };
        let (staging, garbage) = Staging::make(&self.engine).await?;
        let outcome = async {
            store::remove(self.engine.steps().await?, garbage).await?;
            let mut unpacked = vec![self.pack(&staging, &step).await?];
            if !options.squash {
                unpacked.extend(self.bring_base(&staging, &held.record).await?);
            }
            self.is_still_there(held).await?;
            match self.record_image(&staging, unpacked, details, config, options, name).await {
                // As long as there is the container, nobody removes its image.
                Err(error @ Error::NoSuchImage(_)) => self.is_still_there(held).await.and(Err(error)),
                made => made,
            }
        };
        let outcome = outcome.await;
        if let Err(error) = staging.close().await {
            tracing::warn!("{error}");
        }
        outcome
    }

    /// What `step` writes becomes a layer.
    async fn pack(&self, staging: &Staging, step: &Step) -> Result<Unpacked, Error> {
        let failed = |source| Error::Io { doing: "making a pipe for a layer".to_owned(), source };
        let (reader, writer) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
        let steps = self.engine.steps().await?;
        let packing = steps.run(step, vec![writer]);
        // From the one step into the other.
        let unpacking = staging.unpack_from("layer", reader, Compression::None, None);
        let (packed, unpacked) = tokio::join!(packing, unpacking);
        // Who reads fails because of who writes, or the other way round: the first cause is told.
        match (packed, unpacked) {
            (Ok(_), Ok(unpacked)) => Ok(unpacked),
            (Err(error), Ok(_) | Err(UnpackFailure::Layer(_))) => Err(error.into()),
            (_, Err(UnpackFailure::Layer(error))) => {
                Err(Error::Invalid(format!("storing what the container has changed: {error}")))
            }
            (_, Err(UnpackFailure::Other(error))) => Err(error),
        }
    }

    /// The layers of its image that are in an additional store: whoever keeps that may remove them, and an image of ours is here whole.
    async fn bring_base(&self, staging: &Staging, record: &Record) -> Result<Vec<Unpacked>, Error> {
        let id = record.image.ok_or(Error::Invalid(EXPLODED.to_owned()))?;
        let found = images::Found { id, name: None };
        let base = self.engine.state(move |database| {
            let base = database.for_start(&found)?;
            let missing = match &base {
                Some(base) => images::missing_layers(database.reader(), &base.layers)?,
                None => Vec::new(),
            };
            Ok(base.map(|base| (base, missing)))
        });
        let (base, missing) = base.await?.ok_or_else(|| Error::NoSuchImage(record.image_name.clone()))?;
        let _held = self.engine.blocking("locking a store", move || Ok(base.hold()?)).await?;
        let mut brought = Vec::new();
        for layer in missing {
            let outgoing = packing::outgoing(&self.engine, layer, Packing::NONE).await?;
            let unpacked = staging.unpack(&layer.hex(), outgoing.bytes).await;
            brought.push(unpacked.map_err(|failure| failure.of(&layer))?);
        }
        Ok(brought)
    }

    async fn record_image(
        &self,
        staging: &Staging,
        unpacked: Vec<Unpacked>,
        details: &Details,
        config: &Said,
        options: &CommitOptions,
        name: Option<Reference>,
    ) -> Result<Committed, Error> {
        let record = &details.summary.record;
        let image = record.image.ok_or(Error::Invalid(EXPLODED.to_owned()))?;
        let base = self.engine.state(move |database| database.image(&image)).await?;
        let (base, _) = base.ok_or_else(|| Error::NoSuchImage(record.image_name.clone()))?;
        let unreadable = |error: serde_json::Error| Error::Invalid(format!("the configuration of {image}: {error}"));
        let mut document: Value = serde_json::from_slice(&base.config).map_err(unreadable)?;
        // What the container has changed comes first.
        let Some(own) = unpacked.first().map(|own| own.layer) else { return Err(Error::Cancelled("making an image")) };
        let mut layers: Vec<Digest> = if options.squash {
            Vec::new()
        } else {
            serde_json::from_value(document["rootfs"]["diff_ids"].clone()).map_err(unreadable)?
        };
        layers.push(own.diff_id);
        describe(&mut document, config, options, &layers, &record.image_name);
        let document = serde_json::to_vec(&document).map_err(unreadable)?;

        let folder = staging.path().to_owned();
        self.engine.blocking("syncing an image", move || Ok(store::sync(&folder)?)).await?;
        let below = layers[..layers.len() - 1].to_vec();
        let sizes = self.engine.state(move |database| {
            let missing = |layer| StateError::Corrupt { what: format!("an image whose layer {layer} is not recorded") };
            below
                .iter()
                .map(|layer| database.tar_size(layer)?.ok_or_else(|| missing(layer)))
                .collect::<Result<Vec<_>, _>>()
        });
        let sizes: Vec<u64> = sizes.await?.into_iter().chain([own.tar_size]).collect();
        let manifest = manifest(&document, &layers, &sizes, options.docker);
        let (id, digest) = (Digest::of(&document), Digest::of(&manifest));
        let (paths, names) = (self.engine.paths().clone(), name.into_iter().collect::<Vec<_>>());
        let all = layers.clone();
        let committed = self.engine.state(move |database| {
            let image = images::New {
                id,
                digest,
                index: None,
                config: &document,
                manifest: &manifest,
                created: jiff::Timestamp::now().as_second(),
                layers: &all,
                names: &names,
            };
            Ok(store::commit(database, &paths, &Commit { image, unpacked: &unpacked }))
        });
        match committed.await?? {
            store::Committed::Done => Ok(Committed { id, layers }),
            store::Committed::Missing(_) => Err(Error::NoSuchImage(record.image_name.clone())),
        }
    }
}

/// A configuration that goes over another one, as far as an image keeps it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Given {
    user: String,
    exposed_ports: Option<BTreeMap<String, Value>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Option<BTreeMap<String, Value>>,
    working_dir: String,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: String,
}

impl Given {
    fn over(self, config: &mut ContainerConfig) {
        let set = |into: &mut String, value: String| {
            if !value.is_empty() {
                *into = value;
            }
        };
        set(&mut config.user, self.user);
        set(&mut config.working_dir, self.working_dir);
        set(&mut config.stop_signal, self.stop_signal);
        config.exposed_ports.0.extend(self.exposed_ports.unwrap_or_default().into_keys());
        config.volumes.0.extend(self.volumes.unwrap_or_default().into_keys());
        config.labels.extend(self.labels.unwrap_or_default());
        for variable in self.env.unwrap_or_default() {
            let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
            match config.env.iter_mut().find(|other| name(other) == name(&variable)) {
                Some(other) => *other = variable,
                None => config.env.push(variable),
            }
        }
        if let Some(entrypoint) = self.entrypoint.filter(|words| !words.is_empty()) {
            config.entrypoint = entrypoint;
        }
        if let Some(cmd) = self.cmd.filter(|words| !words.is_empty()) {
            config.cmd = cmd;
        }
    }
}

/// The container's own configuration, over its image's.
fn configuration(details: &Details, include_volumes: bool) -> ContainerConfig {
    let record = &details.summary.record;
    let options = &record.options;
    let image = details.image.config().clone().unwrap_or_default();
    let process = details.spec.as_ref().and_then(|spec| spec.process().as_ref());
    let mut env = process.and_then(|process| process.env().clone()).unwrap_or_default();
    crate::secret::place::leave_out(&mut env, options);
    // What each container gets for itself.
    let own = |variable: &String| {
        let name = variable.split('=').next().unwrap_or_default();
        matches!(name, "HOSTNAME" | "HOME" | "TERM") && !options.env.iter().any(|(asked, _)| asked == name)
    };
    let mut ports: std::collections::BTreeSet<String> = image.exposed_ports().iter().flatten().cloned().collect();
    for port in &record.ports {
        let protocol = port.protocol.name();
        ports.extend((0..port.count).map(|offset| format!("{}/{protocol}", port.container.saturating_add(offset))));
    }
    let mut volumes: std::collections::BTreeSet<String> = image.volumes().iter().flatten().cloned().collect();
    if include_volumes {
        let mounted = details.mounts.iter().filter(|mount| matches!(mount.kind.as_str(), "bind" | "volume"));
        volumes.extend(mounted.map(|mount| mount.destination.display().to_string()));
    }
    let mut labels: BTreeMap<String, String> =
        image.labels().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    labels.extend(options.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    let own_command = !options.command.is_empty() || options.entrypoint.is_some();
    ContainerConfig {
        user: options.user.clone().or_else(|| image.user().clone()).unwrap_or_default(),
        exposed_ports: Set(ports),
        env: env.into_iter().filter(|variable| !own(variable)).collect(),
        entrypoint: options.entrypoint.clone().or_else(|| image.entrypoint().clone()).unwrap_or_default(),
        cmd: if own_command { options.command.clone() } else { image.cmd().clone().unwrap_or_default() },
        volumes: Set(volumes),
        working_dir: options
            .workdir
            .as_deref()
            .map(|path: &Path| path.display().to_string())
            .or_else(|| image.working_dir().clone())
            .unwrap_or_else(|| "/".to_owned()),
        labels,
        stop_signal: options.stop_signal.clone().or_else(|| image.stop_signal().clone()).unwrap_or_default(),
    }
}

/// Makes of the base image's configuration that of the new one.
fn describe(document: &mut Value, said: &Said, options: &CommitOptions, layers: &[Digest], base: &str) {
    let created = jiff::Timestamp::now().to_string();
    document["created"] = created.as_str().into();
    if !options.author.is_empty() {
        document["author"] = options.author.as_str().into();
    }
    if options.docker && !options.message.is_empty() {
        document["comment"] = options.message.as_str().into();
    }
    // Of an image in which nothing can be said of it, Docker's own included.
    let check = said.health.clone().unwrap_or_else(|| document["config"]["Healthcheck"].take());
    document["config"] = json!(said.config);
    if !check.is_null() {
        document["config"]["Healthcheck"] = check;
    }
    document["rootfs"] = json!({"type": "layers", "diff_ids": layers});
    let mut entry = json!({"created": created, "created_by": "/bin/sh"});
    if !options.author.is_empty() {
        entry["author"] = options.author.as_str().into();
    }
    entry["comment"] = format!("FROM {base}").into();
    match document["history"].as_array_mut().filter(|_| !options.squash) {
        Some(history) => history.push(entry),
        None => document["history"] = json!([entry]),
    }
}

/// A manifest of layers that are not packed.
fn manifest(config: &[u8], layers: &[Digest], sizes: &[u64], docker: bool) -> Vec<u8> {
    let (own, of_config, of_layer) = if docker {
        (
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar",
        )
    } else {
        (
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar",
        )
    };
    let layers: Vec<Value> = layers
        .iter()
        .zip(sizes)
        .map(|(digest, size)| json!({"mediaType": of_layer, "digest": digest, "size": size}))
        .collect();
    let config = json!({"mediaType": of_config, "digest": Digest::of(config), "size": config.len()});
    json!({"schemaVersion": 2, "mediaType": own, "config": config, "layers": layers}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_image_has_the_base_s_history_and_one_entry_more() {
        let mut document =
            json!({"architecture": "amd64", "history": [{"created_by": "base"}], "config": {"Cmd": ["x"]}});
        let config = ContainerConfig { cmd: vec!["y".into()], ..ContainerConfig::default() };
        let config = Said { config, health: None };
        let options = CommitOptions { author: "me".into(), ..CommitOptions::default() };
        describe(&mut document, &config, &options, &[Digest::of(b"a"), Digest::of(b"b")], "base:latest");
        assert_eq!(document["config"], json!({"Cmd": ["y"]}));
        assert_eq!(document["history"].as_array().unwrap().len(), 2);
        assert_eq!(document["history"][1]["comment"], "FROM base:latest");
        assert_eq!(document["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
        let squashed = CommitOptions { squash: true, ..options };
        describe(&mut document, &config, &squashed, &[Digest::of(b"a")], "base:latest");
        assert_eq!(document["history"].as_array().unwrap().len(), 1);
    }
}

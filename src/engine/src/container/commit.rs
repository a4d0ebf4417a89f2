// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An image of a container: the layers of its image, one more with what it has changed, and a configuration of both.

use std::path::Path;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::{ContainerId, Containers, Details, Status};
use crate::digest::Digest;
use crate::engine::Error;
use crate::event;
use crate::image::names::new_name;
use crate::image::reference::Reference;
use crate::image::{ContainerConfig, Set, apply_change, bytes_of};
use crate::state::images;
use crate::step::Step;
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

impl Containers {
    pub(super) async fn commit_one(&self, id: &ContainerId, options: CommitOptions) -> Result<Committed, Error> {
        let name = options.name.as_deref().map(new_name).transpose()?;
        let details = self.inspect(id).await?;
        let mut config = configuration(&details, options.include_volumes);
        for change in &options.changes {
            apply_change(&mut config, change)
                .map_err(|reason| Error::Invalid(format!("invalid change {change:?} - {reason}")))?;
        }
        let held = self.hold(id).await?;
        let pauses = options.pause && matches!(self.look(id).await?.status, Status::Running(_));
        if pauses {
            self.pause(id).await?;
        }
        let made = self.make_image(&held.place, &details, &config, &options, name).await;
        if pauses {
            // Whatever became of the image, the container goes on.
            self.unpause(id).await?;
        }
        let made = made?;
        event::append(self.engine.paths(), &held.record.event("commit", None));
        Ok(made)
    }

    async fn make_image(
        &self,
        place: &super::files::Place,
        details: &Details,
        config: &ContainerConfig,
        options: &CommitOptions,
        name: Option<Reference>,
    ) -> Result<Committed, Error> {
        let step = if options.squash {
            Step::Export(place.clone())
        } else {
            Step::Commit { upper: details.folder.join("upper"), mapping: place.mapping().cloned() }
        };
        let (staging, garbage) = Staging::make(&self.engine).await?;
        let outcome = async {
            store::remove(self.engine.steps().await?, garbage).await?;
            let unpacked = self.pack(&staging, &step).await?;
            self.record_image(&staging, unpacked, details, config, options, name).await
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
        let bytes = bytes_of(reader).map(|bytes| {
            bytes.map_err(|source| Error::Io { doing: "reading what the container has changed".to_owned(), source })
        });
        let steps = self.engine.steps().await?;
        let packing = steps.run(step, vec![writer]);
        let (packed, unpacked) = tokio::join!(packing, staging.unpack("layer", bytes));
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

    async fn record_image(
        &self,
        staging: &Staging,
        unpacked: Unpacked,
        details: &Details,
        config: &ContainerConfig,
        options: &CommitOptions,
        name: Option<Reference>,
    ) -> Result<Committed, Error> {
        let record = &details.summary.record;
        let image = record.image;
        let base = self.engine.state(move |database| images::get(database.reader(), &image)).await?;
        let (base, _) = base.ok_or_else(|| Error::NoSuchImage(record.image_name.clone()))?;
        let unreadable = |error: serde_json::Error| Error::Invalid(format!("the configuration of {image}: {error}"));
        let mut document: Value = serde_json::from_slice(&base.config).map_err(unreadable)?;
        let own = unpacked.layer;
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
        let sizes = self.engine.state(move |database| images::tar_sizes(database.reader(), &below)).await?;
        let sizes: Vec<u64> = sizes.into_iter().chain([own.tar_size]).collect();
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
            Ok(store::commit(database, &paths, &Commit { image, unpacked: &[unpacked] }))
        });
        match committed.await?? {
            store::Committed::Done => Ok(Committed { id, layers }),
            store::Committed::Missing(_) => Err(Error::NoSuchImage(record.image_name.clone())),
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
        let protocol = match port.protocol {
            super::options::Protocol::Tcp => "tcp",
            super::options::Protocol::Udp => "udp",
        };
        ports.extend((0..port.count).map(|offset| format!("{}/{protocol}", port.container.saturating_add(offset))));
    }
    let mut volumes: std::collections::BTreeSet<String> = image.volumes().iter().flatten().cloned().collect();
    if include_volumes {
        let mounted = details.mounts.iter().filter(|mount| matches!(mount.kind.as_str(), "bind" | "volume"));
        volumes.extend(mounted.map(|mount| mount.destination.display().to_string()));
    }
    let mut labels: std::collections::BTreeMap<String, String> =
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
            .unwrap_or_default(),
        labels,
        stop_signal: options.stop_signal.clone().or_else(|| image.stop_signal().clone()).unwrap_or_default(),
    }
}

/// Makes of the base image's configuration that of the new one.
fn describe(document: &mut Value, config: &ContainerConfig, options: &CommitOptions, layers: &[Digest], base: &str) {
    let created = jiff::Timestamp::now().to_string();
    document["created"] = created.as_str().into();
    if !options.author.is_empty() {
        document["author"] = options.author.as_str().into();
    }
    if options.docker && !options.message.is_empty() {
        document["comment"] = options.message.as_str().into();
    }
    document["config"] = json!(config);
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

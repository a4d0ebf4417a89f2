// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is known of containers: in a list, and of one everything.

use std::fs;

use haulout_monitor::process::Process;
use oci_spec::image::ImageConfiguration;
use oci_spec::runtime::Spec;

use super::base::image_of;
use super::lock::Lock;
use super::prepare::{known_volumes, log_file, stop_signal};
use super::status::{Looker, Monitor, Seen};
use super::{ContainerId, Details, Record, Summary, health, status};
use crate::config::containers::Settings;
use crate::engine::{Engine, Error};
use crate::paths::Paths;
use crate::runtime::Runtime;
use crate::spec::{self, asked};
use crate::userns::UsernsError;
use crate::userns::map::{self, Extent, Map};
use crate::{runtime, secret, systemd};

/// Every container, the oldest first. Blocks.
pub(crate) fn list(engine: &Engine) -> Result<Vec<Summary>, Error> {
    let records = engine.with_database(|database| Ok(database.containers()?))?;
    let failed = |source| Error::Io { doing: "looking at the containers".to_owned(), source };
    let looker = Looker::new(engine.paths()).map_err(failed)?;
    let summarize = |record: Record| {
        let seen = looker.look(&record.id).map_err(failed)?;
        if seen.orphaned {
            end_orphan(engine.paths(), &record.id);
        }
        if seen.waits {
            settle_if_possible(engine.paths(), &record.id);
        }
        let health = health::known(engine.paths(), &record, &seen.status).map_err(failed)?.map(|health| health.status);
        Ok(Summary { started: seen.started(), restarts: seen.restarts(), status: seen.status, health, record })
    };
    records.into_iter().map(summarize).collect()
}

/// Ends what a killed monitor has left running, unless somebody sees to it already.
fn end_orphan(paths: &Paths, id: &ContainerId) {
    // Without the lock it could be another monitor's by now.
    if let Ok(Some(_lock)) = Lock::try_take(paths, id)
        && Seen::look(paths, id).is_ok_and(|seen| seen.orphaned)
    {
        systemd::remains::kill_scopes(paths, id);
    }
}

/// Has the disk take an end that waits for it: whoever looks at a container sees to it, since a logout would forget it.
fn settle_if_possible(paths: &Paths, id: &ContainerId) {
    if let Ok(Some(_lock)) = Lock::try_take(paths, id)
        && let Err(error) = status::settle(paths, id)
    {
        tracing::debug!("the disk does not take the end of container {id}: {error}");
    }
}

/// Everything about one. Blocks.
pub(super) fn details(engine: &Engine, id: &ContainerId) -> Result<Details, Error> {
    let paths = engine.paths();
    let record = engine.with_database(|database| Ok(database.container(id)?))?;
    let record = record.ok_or_else(|| Error::NoSuchContainer(id.to_string()))?;
    let failed = |source| Error::Io { doing: format!("looking at container {id}"), source };
    let seen = Seen::look(paths, id).map_err(failed)?;
    if seen.waits {
        settle_if_possible(paths, id);
    }
    let settings = engine.settings()?;
    let (image, layers) = image_of(engine, &record)?;
    let monitor = match seen.monitor {
        Monitor::Alive(process) => Some(process),
        Monitor::Gone | Monitor::Absent => None,
    };
    let (mut uid_map, mut gid_map) = maps(engine, monitor);
    if let Some(mapping) = &record.mapping {
        let outer = outer_map(engine).map_err(|error| Error::Invalid(error.to_string()))?;
        let on_host = mapping.on_host(&outer);
        (uid_map, gid_map) = (plain(&on_host.users), plain(&on_host.groups));
    }
    let health = health::known(paths, &record, &seen.status).map_err(failed)?;
    let cgroup = seen.status.process().and_then(|process| systemd::cgroup_of(process.pid));
    let folder = paths.container(id);
    let mut spec = written_spec(engine, id).or_else(|| made_spec(engine, &settings, &record, &image));
    if let Some(process) = spec.as_mut().and_then(|spec| spec.process_mut().as_mut()) {
        secret::place::mask(process.env_mut().get_or_insert_default(), &record.options);
    }
    Ok(Details {
        layers,
        spec,
        monitor,
        cgroup,
        stop_signal: stop_signal(&record, Some(&image))?,
        bundle: paths.bundle(id),
        log_path: record.options.log.driver.is_file().then(|| log_file(paths, &record)),
        folder,
        runtime: Runtime::named(record.options.runtime.as_deref(), &settings)
            .map_or_else(|_| "crun".to_owned(), |runtime| runtime.name),
        uid_map,
        gid_map,
        mounts: asked::asked(&record, paths, &known_volumes(engine, &record)?)?
            .into_iter()
            .map(|asked| asked.mount)
            .collect(),
        image: (*image).clone(),
        summary: Summary {
            started: seen.started(),
            restarts: seen.restarts(),
            status: seen.status,
            health: health.as_ref().map(|health| health.status),
            record,
        },
        health,
    })
}

/// What the OCI runtime got.
fn written_spec(engine: &Engine, id: &ContainerId) -> Option<Spec> {
    let bytes = fs::read(engine.paths().bundle(id).join("config.json")).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// What it would get.
fn made_spec(engine: &Engine, settings: &Settings, record: &Record, image: &ImageConfiguration) -> Option<Spec> {
    let init =
        if record.options.init { runtime::init(settings, record.options.init_path.as_deref()).ok() } else { None };
    let hostname = spec::hostname(record, settings);
    let volumes = known_volumes(engine, record).ok()?;
    let (paths, init, volumes) = (engine.paths(), init.as_deref(), &volumes);
    let request = spec::Request {
        record,
        image,
        settings,
        paths,
        hostname: &hostname,
        init,
        volumes,
        shared: spec::Shared::default(),
    };
    spec::make(&request).ok().map(|made| made.spec)
}

type Maps = (Vec<(u32, u32, u32)>, Vec<(u32, u32, u32)>);

fn plain(extents: &[Extent]) -> Vec<(u32, u32, u32)> {
    extents.iter().map(|extent| (extent.inside, extent.outside, extent.count)).collect()
}

/// The maps of the rootless user namespace that it is in, or would be in.
fn maps(engine: &Engine, monitor: Option<Process>) -> Maps {
    let holder = monitor.or_else(|| crate::userns::anchor::alive(&engine.paths().anchor()));
    if let Some(process) = holder
        && let (Ok(users), Ok(groups)) =
            (map::of_process(process.pid, "uid_map"), map::of_process(process.pid, "gid_map"))
    {
        return (plain(&users), plain(&groups));
    }
    Map::of_user().map_or_else(|_| (Vec::new(), Vec::new()), |map| (plain(&map.users), plain(&map.groups)))
}

/// The map of the rootless user namespace: of the one that there is, or that would be made.
pub(super) fn outer_map(engine: &Engine) -> Result<Map, UsernsError> {
    if let Some(anchor) = crate::userns::anchor::alive(&engine.paths().anchor())
        && let (Ok(users), Ok(groups)) =
            (map::of_process(anchor.pid, "uid_map"), map::of_process(anchor.pid, "gid_map"))
    {
        return Ok(Map { users, groups, warning: None });
    }
    Map::of_user()
}

/// The user namespace of a container that is yet to be made.
pub(crate) fn maps_of_user(engine: &Engine) -> Maps {
    maps(engine, None)
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout generate spec`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::Error;
use haulout_engine::container::options::{IdMap, Limits, Namespace, Network, Options, SdNotify, Userns};
use haulout_engine::container::{Details, Mount};
use haulout_engine::spec::limits::quota;
use haulout_engine::userns::modes::Mapping;
use serde_json::{Map, Value, json};

use crate::exit::os_words;
use crate::format::data::print_json;
use crate::invocation::Invocation;
use crate::{output, rows};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER";

/// Generate Specgen JSON based on containers
///
/// Prints what a container is made from, as the body of a request for another one like it (`POST /libpod/containers/create`).
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print the json in a compact format for consumption
    #[arg(short, long)]
    compact: bool,
    /// Write output to the specified path
    #[arg(short, long)]
    filename: Option<String>,
    /// Specify a new name for the generated spec
    #[arg(short, long, default_value_t = true)]
    name: bool,
    containers: Vec<String>,
}

/// Prints it, or writes it into a file and prints that one's name.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [container] = args.containers.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.containers.len());
    };
    let containers = invocation.engine().containers();
    let id = containers.resolve(container).await.map_err(|error| match error {
        Error::NoSuchContainer(name) => anyhow!("could not find a pod or container with the id {name}"),
        error => error.into(),
    })?;
    let specification = specification(&containers.inspect(&id).await?, args.name);
    let mut text = print_json(&specification, if args.compact { "" } else { " " });
    if let Some(path) = args.filename.filter(|path| !path.is_empty()) {
        std::fs::write(&path, text).map_err(|error| anyhow!("open {path}: {}", os_words(&error)))?;
        output::line(&path)?;
    } else {
        text.push('\n');
        output::print(&text)?;
    }
    Ok(0)
}

/// What a container is made from. `renamed`: under a name that is not its own.
fn specification(details: &Details, renamed: bool) -> Value {
    let record = &details.summary.record;
    let options = &record.options;
    let mut spec = Fields(Map::new());
    let name = if renamed { format!("{}-clone", record.name) } else { record.name.to_string() };
    spec.set("name", name);
    spec.unless_empty("entrypoint", record.command.get(..record.entrypoint).unwrap_or_default());
    spec.unless_empty("command", record.arguments());
    spec.set("env", environment(details));
    if options.interactive {
        spec.set("stdin", true);
    }
    if !options.labels.is_empty() {
        spec.set("labels", json!(options.labels));
    }
    if let Some(seconds) = options.timeout {
        spec.set("timeout", seconds);
    }
    spec.set("sdnotifyMode", notify(options.sdnotify));
    spec.set("pidns", json!({"nsmode": "default"}));
    spec.set("utsns", json!({"nsmode": "private"}));
    spec.unless_empty("containerCreateCommand", &options.create_command);
    let (restart, _) = rows::restart(options.restart);
    if restart != "no" {
        spec.set("restart_policy", restart);
    }
    spec.set("init_container_type", "");
    if let Some(zone) = &options.timezone {
        spec.set("timezone", zone.as_str());
    }
    match &options.rootfs {
        Some(rootfs) => spec.set("rootfs", rootfs.path.display().to_string()),
        None => spec.set("image", record.image_id()),
    }
    if options.remove {
        spec.set("volatile", true);
    }
    mounts(&mut spec, details);
    spec.set("ipcns", json!({"nsmode": ipc(&options.namespaces.ipc)}));
    spec.set("shm_size", options.shm_size.unwrap_or(65_536_000));
    spec.set("shm_size_systemd", options.systemd_size.unwrap_or(0));
    spec.unless_empty("chroot_directories", &options.chroot_dirs);
    spec.set("privileged", options.privileged);
    if let Some(user) = &options.user {
        spec.set("user", user.as_str());
    }
    spec.unless_empty("groups", &options.groups);
    let labels = &options.security.labels;
    spec.set("selinux_opts", if labels.is_empty() { json!(["disable"]) } else { json!(labels) });
    ids(&mut spec, details);
    spec.set("umask", options.umask.as_deref().unwrap_or("0022"));
    spec.unless_empty("hostusers", &options.accounts.host_users);
    spec.set("cgroupns", json!({"nsmode": "default"}));
    network(&mut spec, options);
    spec.set("resource_limits", limits(&options.limits));
    spec.set("healthLogDestination", "local");
    spec.set("healthMaxLogCount", 5);
    spec.set("healthMaxLogSize", 500);
    spec.0.into()
}

/// The fields of an object, in the order in which they are set.
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn unless_empty<T: serde::Serialize>(&mut self, key: &str, values: &[T]) {
        if !values.is_empty() {
            self.set(key, json!(values));
        }
    }
}

/// Its variables but for those that each container gets for itself.
fn environment(details: &Details) -> Value {
    let options = &details.summary.record.options;
    let process = details.spec.as_ref().and_then(|spec| spec.process().as_ref());
    let all = process.and_then(|process| process.env().as_ref()).into_iter().flatten();
    let is_own = |name: &str| {
        let asked = options.env.iter().any(|(asked, _)| asked == name);
        !asked && (name == "HOME" || (name == "HOSTNAME" && options.hostname.is_none()))
    };
    let variables = all.filter_map(|variable| variable.split_once('=')).filter(|(name, _)| !is_own(name));
    let mut variables: Vec<_> = variables.map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    variables.sort_by(|one, other| one.0.cmp(&other.0));
    Value::Object(variables.into_iter().collect())
}

fn mounts(spec: &mut Fields, details: &Details) {
    let options = &details.summary.record.options;
    let (named, plain): (Vec<&Mount>, Vec<&Mount>) =
        details.mounts.iter().filter(|mount| mount.kind != "image").partition(|mount| mount.name.is_some());
    let plain: Vec<Value> = plain
        .into_iter()
        .map(|mount| {
            let of_kernel = mount.source.as_os_str().is_empty();
            let source = if of_kernel { mount.kind.clone() } else { mount.source.display().to_string() };
            json!({
                "destination": mount.destination,
                "type": mount.kind,
                "source": source,
                "options": mount.options,
            })
        })
        .collect();
    let named: Vec<Value> = named
        .into_iter()
        .map(|mount| {
            json!({
                "Name": mount.name,
                "Dest": mount.destination,
                "Options": mount.options,
                "IsAnonymous": false,
                "SubPath": mount.subpath.as_ref().map_or(String::new(), |path| path.display().to_string()),
            })
        })
        .collect();
    let images: Vec<Value> = options
        .images
        .iter()
        .map(|image| json!({"Source": image.image, "Destination": image.destination, "ReadWrite": image.writable}))
        .collect();
    let devices: Vec<Value> = options
        .devices
        .iter()
        .map(|device| {
            let path = format!("{}:{}:{}", device.host.display(), device.inside.display(), device.access);
            json!({"path": path, "type": "", "major": 0, "minor": 0})
        })
        .collect();
    spec.unless_empty("mounts", &plain);
    spec.unless_empty("volumes", &named);
    spec.unless_empty("image_volumes", &images);
    spec.unless_empty("host_device_list", &devices);
}

fn ids(spec: &mut Fields, details: &Details) {
    let record = &details.summary.record;
    let mode = match &record.options.userns {
        Userns::KeepId { .. } => "keep-id",
        Userns::Nomap => "no-map",
        Userns::Auto { .. } => "auto",
        Userns::Host | Userns::Maps { .. } | Userns::Container(_) => "default",
    };
    let map = |map: &[(u32, u32, u32)]| -> Vec<Value> {
        let part = |&(inside, outside, size): &(u32, u32, u32)| json!({"container_id": inside, "host_id": outside, "size": size});
        map.iter().map(part).collect()
    };
    let own = record.mapping.as_ref();
    let (size, users, groups) = match &record.options.userns {
        Userns::Auto { size, users, groups } => (size.unwrap_or_default(), users.as_slice(), groups.as_slice()),
        _ => (0, &[][..], &[][..]),
    };
    let added = |asked: &[IdMap], outside: fn(&Mapping, u32) -> Option<u32>| -> Option<Vec<Value>> {
        let part = |asked: &IdMap| {
            let first = own.and_then(|own| outside(own, asked.inside)).unwrap_or(asked.outside);
            json!({"container_id": asked.inside, "host_id": first, "size": asked.count})
        };
        (!asked.is_empty()).then(|| asked.iter().map(part).collect())
    };
    spec.set("userns", json!({"nsmode": mode}));
    spec.set(
        "idmappings",
        json!({
            "HostUIDMapping": own.is_none(),
            "HostGIDMapping": own.is_none(),
            "UIDMap": own.map(|own| map(&own.users)),
            "GIDMap": own.map(|own| map(&own.groups)),
            "AutoUserNs": matches!(record.options.userns, Userns::Auto { .. }),
            "AutoUserNsOpts": {
                "Size": size,
                "InitialSize": 0,
                "PasswdFile": "",
                "GroupFile": "",
                "AdditionalUIDMappings": added(users, Mapping::user),
                "AdditionalGIDMappings": added(groups, Mapping::group),
            },
        }),
    );
    spec.set("label_nested", false);
}

fn network(spec: &mut Fields, options: &Options) {
    let namespace = match options.network {
        Network::Container(_) | Network::Path(_) => json!({}),
        _ => json!({"nsmode": "private"}),
    };
    spec.set("netns", namespace);
    spec.set("Networks", Value::Null);
    spec.set("use_image_hostname", options.names.no_hostname);
    spec.set("use_image_hosts", options.names.no_hosts);
    match &options.network {
        Network::Pasta(words) if !words.is_empty() => spec.set("network_options", json!({"pasta": words})),
        Network::Slirp(words) if !words.is_empty() => spec.set("network_options", json!({"slirp4netns": words})),
        _ => {}
    }
}

/// What its cgroup is told.
fn limits(limits: &Limits) -> Value {
    let mut resources = Fields(Map::new());
    let mut memory = Fields(Map::new());
    if let Some(bytes) = limits.memory {
        memory.set("limit", bytes);
        let twice = i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(2);
        memory.set("swap", limits.memory_swap.unwrap_or(twice));
    } else if let Some(bytes) = limits.memory_swap {
        memory.set("swap", bytes);
    }
    if let Some(bytes) = limits.memory_reservation {
        memory.set("reservation", bytes);
    }
    let mut cpu = Fields(Map::new());
    if let Some(shares) = limits.cpu_shares {
        cpu.set("shares", shares);
    }
    let of_cpus = limits.cpus.map(quota);
    if let Some(amount) = limits.cpu_quota.or(of_cpus.map(|(amount, _)| amount)) {
        cpu.set("quota", amount);
    }
    if let Some(period) = limits.cpu_period.or(of_cpus.map(|(_, period)| period)) {
        cpu.set("period", period);
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        cpu.set("cpus", cpus.as_str());
    }
    if let Some(nodes) = &limits.cpuset_mems {
        cpu.set("mems", nodes.as_str());
    }
    for (name, Fields(set)) in [("memory", memory), ("cpu", cpu)] {
        if !set.is_empty() {
            resources.set(name, set);
        }
    }
    if let Some(limit) = limits.pids {
        resources.set("pids", json!({"limit": limit}));
    }
    resources.0.into()
}

fn ipc(namespace: &Namespace) -> &'static str {
    match namespace {
        Namespace::Host => "host",
        Namespace::Private => "private",
        Namespace::Shareable => "shareable",
        Namespace::None => "none",
        Namespace::Default | Namespace::Container(_) | Namespace::Path(_) => "default",
    }
}

fn notify(mode: SdNotify) -> &'static str {
    match mode {
        SdNotify::Container => "container",
        SdNotify::Conmon => "conmon",
        SdNotify::Healthy => "healthy",
        SdNotify::Ignore => "ignore",
    }
}

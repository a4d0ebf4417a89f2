// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout ps`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use haulout_engine::Engine;
use haulout_engine::container::{Record, Status, Summary};

use crate::format::{Data, Format, Struct, data, render, table};
use crate::invocation::Invocation;
use crate::{filter, output, rows, size, time};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// List containers
///
/// Prints out information about the containers
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Show all the containers, default is only running containers
    #[arg(short, long)]
    all: bool,
    /// Show containers in storage not controlled by this engine (there are none)
    #[arg(long, alias = "storage")]
    external: bool,
    /// Filter output based on conditions given
    #[arg(short, long)]
    filter: Vec<String>,
    /// Pretty-print containers to JSON or using a Go template
    #[arg(long)]
    format: Option<String>,
    /// Print the n last created containers (all states)
    #[arg(short = 'n', long, default_value_t = -1)]
    last: i64,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Display namespace information
    #[arg(long, alias = "namespace")]
    ns: bool,
    /// Display the extended information
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    /// Do not print headers
    #[arg(long)]
    noheading: bool,
    /// Print the ID and name of the pod the containers are associated with
    #[arg(short, long)]
    pod: bool,
    /// Print the numeric IDs of the containers only
    #[arg(short, long)]
    quiet: bool,
    /// Display the total file sizes
    #[arg(short, long)]
    size: bool,
    /// Sort output by: command, created, id, image, names, runningfor, size, status
    #[arg(long, value_name = "choice", default_value = "created", value_parser = sort_key)]
    sort: String,
    /// Sync container state with OCI runtime (it always is)
    #[arg(long)]
    sync: bool,
    /// Watch the ps output on an interval in seconds
    #[arg(short, long)]
    watch: Option<u64>,
}

const SORTS: [&str; 8] = ["command", "created", "id", "image", "names", "runningfor", "size", "status"];

fn sort_key(text: &str) -> Result<String, String> {
    if SORTS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is not a valid value.  Choose from: \"{}\"", SORTS.join(", ")))
}

/// Prints the list once, or again and again.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.last >= 0 && args.latest {
        bail!("last and latest are mutually exclusive");
    }
    if args.size && args.ns {
        bail!("size and namespace options conflict");
    }
    if args.quiet && (args.size || args.ns) {
        bail!("quiet conflicts with size and namespace");
    }
    let engine = invocation.engine();
    let Some(seconds) = args.watch.filter(|&seconds| seconds > 0) else {
        output::print(&show(&args, &engine).await?)?;
        return Ok(0);
    };
    loop {
        output::print(&format!("\x1b[2J\x1b[H{}", show(&args, &engine).await?))?;
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    }
}

async fn show(args: &Args, engine: &Engine) -> Result<String> {
    let list = engine.containers().list().await?;
    let filter = filter::Containers::parse(&args.filter, engine, &list).await?;
    let every = args.all || args.latest || args.last > 0 || filter.names_states();
    let mut chosen: Vec<&Summary> = list
        .iter()
        .filter(|summary| every || matches!(summary.status, Status::Running(_)))
        .filter(|summary| filter.holds(summary))
        .collect();
    let newest = if args.latest { Some(1) } else { usize::try_from(args.last).ok().filter(|&count| count > 0) };
    if let Some(count) = newest {
        chosen.sort_by_key(|summary| std::cmp::Reverse(summary.record.created));
        chosen.truncate(count);
    }
    let mut lines: Vec<Line> = Vec::with_capacity(chosen.len());
    for summary in chosen {
        let size = if args.size { Some(sizes(engine, summary).await?) } else { None };
        lines.push(Line { summary, size, whole: args.no_trunc, namespaces: args.ns });
    }
    sort(&mut lines, &args.sort);
    if !args.size && args.format.as_deref().is_some_and(|format| format.contains(".Size")) {
        for _ in &lines {
            output::failure("Size format requires --size option");
        }
    }
    if args.quiet && args.format.is_none() {
        return Ok(lines.iter().map(|line| line.id() + "\n").collect());
    }
    match args.format.as_deref().map(Format::parse) {
        Some(Format::Json) => {
            let json = serde_json::Value::Array(lines.iter().map(|line| line.json_row().json()).collect());
            Ok(data::escape_html(&data::print_json(&json, "  ")) + "\n")
        }
        Some(Format::Template { table, text }) => {
            let headings = (!args.noheading).then_some(HEADINGS);
            Ok(render("ps", table, &text, lines.iter().map(Line::template_row).collect::<Vec<_>>(), headings)?)
        }
        None => Ok(plain(args, &lines)),
    }
}

fn plain(args: &Args, lines: &[Line<'_>]) -> String {
    let mut heading = if args.ns {
        vec!["CONTAINER ID", "NAMES", "PID", "CGROUPNS", "IPC", "MNT", "NET", "PIDNS", "USERNS", "UTS"]
    } else {
        vec!["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    };
    if args.pod {
        heading.extend(["POD ID", "PODNAME"]);
    }
    if args.size {
        heading.push("SIZE");
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let record = &line.summary.record;
            if args.ns {
                let pid = line.pid();
                let mut row = vec![line.id(), record.name.to_string(), pid.to_string()];
                row.extend(namespaces(pid));
                return row;
            }
            let mut row = vec![
                line.id(),
                record.image_name.clone(),
                rows::command(record.arguments(), line.whole),
                time::ago(record.created),
                rows::status(line.summary),
                rows::all_ports(record),
                record.name.to_string(),
            ];
            if args.pod {
                row.extend([String::new(), String::new()]);
            }
            if args.size {
                row.push(line.size_words());
            }
            row
        })
        .collect();
    table::table((!args.noheading).then_some(&heading), &rows)
}

/// The words above the columns of `--format 'table …'`.
const HEADINGS: &[(&str, &str)] = &[
    ("AutoRemove", "AUTOREMOVE"),
    ("CIDFile", "CIDFILE"),
    ("Cgroup", "CGROUPNS"),
    ("Command", "COMMAND"),
    ("Created", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedHuman", "CREATED"),
    ("ExitCode", "EXIT CODE"),
    ("Exited", "EXITED"),
    ("ExitedAt", "EXITED AT"),
    ("ExposedPorts", "EXPOSED PORTS"),
    ("ID", "CONTAINER ID"),
    ("IPC", "IPC"),
    ("Image", "IMAGE"),
    ("ImageID", "IMAGE ID"),
    ("IsInfra", "IS INFRA"),
    ("Labels", "LABELS"),
    ("MNT", "MNT"),
    ("Mounts", "MOUNTS"),
    ("NET", "NET"),
    ("Names", "NAMES"),
    ("Namespaces", "NAMESPACES"),
    ("Networks", "NETWORKS"),
    ("PIDNS", "PIDNS"),
    ("Pid", "PID"),
    ("Pod", "POD ID"),
    ("PodName", "PODNAME"),
    ("Ports", "PORTS"),
    ("Restarts", "RESTARTS"),
    ("RunningFor", "RUNNING FOR"),
    ("Size", "SIZE"),
    ("StartedAt", "STARTED AT"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("UTS", "UTS"),
    ("User", "USERNS"),
    ("USERNS", "USERNS"),
];

/// A container in the list.
struct Line<'a> {
    summary: &'a Summary,
    size: Option<(u64, u64)>,
    whole: bool,
    /// Whether its namespaces are asked for.
    namespaces: bool,
}

impl Line<'_> {
    fn id(&self) -> String {
        let id = &self.summary.record.id;
        if self.whole { id.to_string() } else { id.short() }
    }

    fn pid(&self) -> i32 {
        self.summary.status.process().map_or(0, |process| process.pid)
    }

    /// Whether it ended, when (seconds since 1970), and with what.
    fn exit(&self) -> (bool, i64, i64) {
        match &self.summary.status {
            Status::Exited(exit) => (true, exit.finished.0, exit.status.unwrap_or(-1).into()),
            _ => (false, time::GO_ZERO, 0),
        }
    }

    fn size_words(&self) -> String {
        let (own, whole) = self.size.unwrap_or_default();
        format!("{} (virtual {})", size::human(own, 3, ""), size::human(whole, 3, ""))
    }

    fn mounts(&self) -> Vec<String> {
        let record = &self.summary.record;
        let volumes = record.options.volumes.iter().map(|volume| volume.destination.as_path());
        let tmpfs = record.options.tmpfs.iter().map(|(path, _)| path.as_path());
        let images = record.volumes.iter().map(|(path, _)| path.as_path());
        let mut paths: Vec<&Path> = volumes.chain(tmpfs).chain(images).collect();
        paths.sort();
        paths.dedup();
        paths.into_iter().map(|path| path.display().to_string()).collect()
    }

    /// What `--format json` shows.
    fn json_row(&self) -> Data {
        let record = &self.summary.record;
        self.common(time::ago(record.created).into(), rows::status(self.summary).into())
            .with("Created", record.created.div_euclid(time::SECOND))
            .into()
    }

    /// What templates see; `{{json .}}` shows other things than `--format json`, as podman's does.
    fn template_row(&self) -> Data {
        let record = &self.summary.record;
        let (exited, ended, code) = self.exit();
        let ns: Vec<Data> = namespaces(self.pid()).into_iter().map(Data::from).collect();
        let [cgroup, ipc, mnt, net, pid, user, uts] = <[Data; 7]>::try_from(ns).unwrap_or_default();
        let listed = self.namespaces();
        let size = match self.size {
            Some(_) => self.size_words(),
            None => String::new(),
        };
        let image = record.image_id();
        Struct::of("containers.psReporter")
            .with_as("ID", "Id", self.id())
            .with("Names", record.name.to_string())
            .with("Image", &record.image_name)
            .with("ImageID", if self.whole { image } else { image.chars().take(12).collect() })
            .with("Command", rows::command(record.arguments(), self.whole))
            .with("Created", Data::Time(Some(record.created)))
            .with_hidden("CreatedAt", time::go_string(Some(record.created)))
            .with_hidden("CreatedHuman", time::ago(record.created))
            .with_hidden("RunningFor", time::ago(record.created))
            .with("Status", rows::status(self.summary))
            .with("State", rows::state(&self.summary.status))
            .with("Ports", rows::all_ports(record))
            .with("Labels", Data::map_or_nil(&record.options.labels))
            .with("Mounts", self.mounts())
            .with("Networks", networks(record).join(","))
            .with("Pid", self.pid())
            .with("Pod", "")
            .with("PodName", "")
            .with("Size", size)
            .with("Exited", exited)
            .with("ExitedAt", ended)
            .with("ExitCode", code)
            .with("ExposedPorts", exposed(record))
            .with("StartedAt", self.summary.started.unwrap_or(time::GO_ZERO))
            .with("AutoRemove", record.options.remove)
            .with("CIDFile", record.options.id_file.clone().unwrap_or_default())
            .with("IsInfra", false)
            .with("Restarts", self.summary.restarts)
            .with("Namespaces", listed)
            .with_hidden("Cgroup", cgroup)
            .with_hidden("IPC", ipc)
            .with_hidden("MNT", mnt)
            .with_hidden("NET", net)
            .with_hidden("PIDNS", pid)
            .with_hidden("USERNS", user.clone())
            .with_hidden("User", user)
            .with_hidden("UTS", uts)
            .with_json_of(self.common("".into(), "".into()).with("Created", Data::Time(Some(record.created))))
            .into()
    }

    /// Its namespaces, when they are asked for.
    fn namespaces(&self) -> Struct {
        let numbers = if self.namespaces { namespaces(self.pid()) } else { vec![String::new(); 7] };
        let number = |index: usize| numbers.get(index).cloned().unwrap_or_default();
        Struct::of("define.ListContainerNamespaces")
            .with_omitted("MNT", "Mnt", number(2))
            .with_omitted("Cgroup", "Cgroup", number(0))
            .with_omitted("IPC", "Ipc", number(1))
            .with_omitted("NET", "Net", number(3))
            .with_omitted("PIDNS", "Pidns", number(4))
            .with_omitted("UTS", "Uts", number(6))
            .with_omitted("User", "User", number(5))
    }

    fn common(&self, created: Data, status: Data) -> Struct {
        let record = &self.summary.record;
        let (exited, ended, code) = self.exit();
        let size = match self.size {
            Some((own, whole)) => Struct::of("define.ContainerSize")
                .with_as("RootFsSize", "rootFsSize", whole)
                .with_as("RwSize", "rwSize", own)
                .into(),
            None => Data::Nil,
        };
        Struct::of("entities.ListContainer")
            .with("AutoRemove", record.options.remove)
            .with("Command", Data::list_or_nil(record.arguments().to_vec()))
            .with("CreatedAt", created)
            .with("CIDFile", record.options.id_file.clone().unwrap_or_default())
            .with("Exited", exited)
            .with("ExitedAt", ended)
            .with("ExitCode", code)
            .with("ExposedPorts", exposed(record))
            .with("Id", record.id.to_string())
            .with("Image", &record.image_name)
            .with("ImageID", record.image_id())
            .with("IsInfra", false)
            .with("Labels", Data::map_or_nil(&record.options.labels))
            .with("Mounts", self.mounts())
            .with("Names", vec![record.name.to_string()])
            .with("Namespaces", self.namespaces())
            .with("Networks", networks(record))
            .with("Pid", self.pid())
            .with("Pod", "")
            .with("PodName", "")
            .with("Ports", Data::list_or_nil(rows::sorted(&record.ports).into_iter().map(port).collect()))
            .with("Restarts", self.summary.restarts)
            .with("Size", size)
            .with("StartedAt", self.summary.started.unwrap_or(time::GO_ZERO))
            .with("State", rows::state(&self.summary.status))
            .with("Status", status)
    }
}

/// The networks that it is connected to: one by pasta is none of podman's networks.
fn networks(_: &haulout_engine::container::Record) -> Vec<String> {
    Vec::new()
}

fn port(port: &haulout_engine::container::options::Publish) -> Data {
    Struct::of("types.PortMapping")
        .with("host_ip", port.address.map(|address| address.to_string()).unwrap_or_default())
        .with("container_port", port.container)
        .with("host_port", port.host.unwrap_or(0))
        .with("range", port.count)
        .with("protocol", port.protocol.name())
        .into()
}

/// The ports that it says it uses, each with its protocols.
fn exposed(record: &Record) -> Data {
    let mut ports: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for &(port, protocol) in &record.exposed {
        let protocols = ports.entry(port.to_string()).or_default();
        if !protocols.contains(&protocol.name()) {
            protocols.push(protocol.name());
        }
    }
    if ports.is_empty() { Data::Map(None) } else { ports.into() }
}

/// The numbers of a process's namespaces: cgroup, ipc, mnt, net, pid, user, uts.
fn namespaces(pid: i32) -> Vec<String> {
    ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]
        .map(|kind| {
            let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap_or_default();
            let text = link.to_string_lossy();
            text.split(['[', ']']).nth(1).unwrap_or("").to_owned()
        })
        .to_vec()
}

/// The bytes that a container wrote over its image, and those of both together.
async fn sizes(engine: &Engine, summary: &Summary) -> Result<(u64, u64)> {
    let own = engine.containers().written(&summary.record).await;
    let images = engine.images().list().await?;
    let image = images.iter().find(|image| Some(image.id) == summary.record.image).map_or(0, |image| image.size);
    Ok((own, own + image))
}

fn sort(lines: &mut [Line<'_>], key: &str) {
    match key {
        "command" => lines.sort_by_cached_key(|line| line.summary.record.arguments().join(" ")),
        "id" => lines.sort_by_key(|line| line.summary.record.id),
        "image" => lines.sort_by(|a, b| a.summary.record.image_name.cmp(&b.summary.record.image_name)),
        "names" => lines.sort_by(|a, b| a.summary.record.name.cmp(&b.summary.record.name)),
        "runningfor" => lines.sort_by_key(|line| line.summary.started),
        "size" => lines.sort_by_key(|line| line.size),
        "status" => lines.sort_by_key(|line| rows::state(&line.summary.status)),
        _ => lines.sort_by_key(|line| line.summary.record.created),
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout stats`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::usage::Usage;
use haulout_engine::container::{ContainerId, Containers};
use haulout_engine::{Engine, Error};

use crate::format::{Data, Format, Struct, data, render, table};
use crate::invocation::Invocation;
use crate::{names, output, size, time};

/// What comes after the verb.
pub const USAGE: &str = "[options] [CONTAINER...]";

/// Display a live stream of container resource usage statistics
///
/// Display percentage of CPU, memory, network I/O, block I/O and PIDs for one or more containers.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Show all containers. Only running containers are shown by default. The default is false
    #[arg(short, long)]
    all: bool,
    /// Pretty-print container statistics to JSON or using a Go template
    #[arg(long)]
    format: Option<String>,
    /// Time in seconds between stats reports
    #[arg(short, long, default_value_t = 5)]
    interval: i64,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Disable resetting the screen between intervals
    #[arg(long)]
    no_reset: bool,
    /// Disable streaming stats and only pull the first result, default setting is false
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    containers: Vec<String>,
}

const HEADINGS: &[(&str, &str)] = &[
    ("AVGCPU", "AVG CPU %"),
    ("AvgCPU", "AVG CPU %"),
    ("BlockIO", "BLOCK IO"),
    ("BlockInput", "BLOCK INPUT"),
    ("BlockOutput", "BLOCK OUTPUT"),
    ("CPU", "CPU %"),
    ("CPUNano", "CPU NANO"),
    ("CPUPerc", "CPU %"),
    ("CPUSystemNano", "CPU SYSTEM NANO"),
    ("ContainerID", "CONTAINER ID"),
    ("Duration", "DURATION"),
    ("ID", "ID"),
    ("MemLimit", "MEM LIMIT"),
    ("MemPerc", "MEM %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemUsageBytes", "MEM USAGE / LIMIT"),
    ("Name", "NAME"),
    ("NetIO", "NET IO"),
    ("Network", "NETWORK"),
    ("PIDS", "PIDS"),
    ("PIDs", "PIDS"),
    ("PerCPU", "PER CPU"),
    ("SystemNano", "SYSTEM NANO"),
    ("UpTime", "CPU TIME"),
];

/// Shows what the containers use, once or again and again.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let ways = usize::from(args.all) + usize::from(args.latest) + usize::from(!args.containers.is_empty());
    if ways > 1 {
        bail!("--all, --latest and containers cannot be used together");
    }
    let interval = u64::try_from(args.interval).ok().filter(|&seconds| seconds > 0);
    let interval = interval.ok_or_else(|| anyhow!("invalid interval, must be a positive number greater zero"))?;
    let engine = invocation.engine();
    let named = named(&args, &engine).await?;
    let format = args.format.as_deref().map(Format::parse);
    let mut before = BTreeMap::new();
    loop {
        let rows = measure(&args, &engine.containers(), named.as_deref(), &mut before).await?;
        let shown = show(&rows, format.as_ref(), &args)?;
        let reset = !args.no_stream && !args.no_reset && !matches!(format, Some(Format::Json));
        output::print(&if reset { format!("\x1b[2J\x1b[H{shown}") } else { shown })?;
        if args.no_stream {
            return Ok(0);
        }
        tokio::time::sleep(Duration::from_secs(interval)).await;
    }
}

/// The containers that were named; nothing when it is those that run, or all.
async fn named(args: &Args, engine: &Engine) -> Result<Option<Vec<ContainerId>>> {
    let containers = engine.containers();
    if args.latest {
        return Ok(Some(vec![names::latest(&containers).await?]));
    }
    if args.containers.is_empty() {
        return Ok(None);
    }
    let mut ids = Vec::new();
    for name in &args.containers {
        match containers.resolve(name).await {
            Ok(id) => ids.push(id),
            Err(error @ (Error::NoSuchContainer(_) | Error::NoName)) => {
                bail!("unable to get list of containers: unable to look up container {name}: {error}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(ids))
}

/// What one container uses, and what it used when it was looked at before.
struct Row {
    id: ContainerId,
    name: String,
    now: Usage,
    before: Option<Usage>,
    whole: bool,
}

async fn measure(
    args: &Args,
    containers: &Containers,
    named: Option<&[ContainerId]>,
    before: &mut BTreeMap<ContainerId, Usage>,
) -> Result<Vec<Row>> {
    let list = containers.list().await?;
    let meant = list.iter().filter(|summary| match named {
        Some(ids) => ids.contains(&summary.record.id),
        None => args.all || summary.status.is_started(),
    });
    let meant: Vec<_> = meant.collect();
    let usages = containers.usages(meant.iter().map(|summary| summary.record.id).collect()).await?;
    let mut rows = Vec::new();
    let mut seen = BTreeMap::new();
    for (summary, usage) in meant.into_iter().zip(usages) {
        if usage.is_none() && summary.status.process().is_some() {
            // It has ended since it was listed.
            continue;
        }
        let now = usage.unwrap_or_default();
        let record = &summary.record;
        seen.insert(record.id, now.clone());
        rows.push(Row {
            id: record.id,
            name: record.name.to_string(),
            before: before.get(&record.id).cloned(),
            now,
            whole: args.no_trunc,
        });
    }
    *before = seen;
    Ok(rows)
}

fn show(rows: &[Row], format: Option<&Format>, args: &Args) -> Result<String> {
    match format {
        None => {
            let heading = [
                "ID",
                "NAME",
                "CPU %",
                "MEM USAGE / LIMIT",
                "MEM %",
                "NET IO",
                "BLOCK IO",
                "PIDS",
                "CPU TIME",
                "AVG CPU %",
            ];
            let cells: Vec<Vec<String>> = rows
                .iter()
                .map(|row| {
                    vec![
                        row.id(),
                        row.name.clone(),
                        percent(row.cpu()),
                        row.memory(),
                        percent(row.memory_share()),
                        row.network(),
                        row.disks(),
                        row.now.processes.to_string(),
                        time::go_duration(i64::try_from(row.now.cpu).unwrap_or(i64::MAX)),
                        percent(row.average()),
                    ]
                })
                .collect();
            Ok(table::table(Some(&heading), &cells))
        }
        Some(Format::Json) => {
            let json = serde_json::Value::Array(rows.iter().map(|row| row.json().json()).collect());
            Ok(data::print_json(&json, " ") + "\n")
        }
        Some(Format::Template { table, text }) => {
            let rows: Vec<Data> = rows.iter().map(Row::data).collect();
            let _ = args;
            Ok(render("stats", *table, text, rows, Some(HEADINGS))?)
        }
    }
}

fn percent(share: f64) -> String {
    format!("{share:.2}%")
}

#[allow(clippy::cast_precision_loss, reason = "shares are shown with two digits")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

impl Row {
    fn id(&self) -> String {
        if self.whole { self.id.to_string() } else { self.id.short() }
    }

    /// Of one processor, since it was looked at before; at first since it was started.
    fn cpu(&self) -> f64 {
        match &self.before {
            Some(before) if before.started == self.now.started => {
                let elapsed = u64::try_from(self.now.time - before.time).unwrap_or_default();
                share(self.now.cpu.saturating_sub(before.cpu), elapsed)
            }
            _ => self.average(),
        }
    }

    fn average(&self) -> f64 {
        share(self.now.cpu, u64::try_from(self.now.time - self.now.started).unwrap_or_default())
    }

    fn memory(&self) -> String {
        format!("{} / {}", size::human(self.now.memory, 4, ""), size::human(self.now.memory_limit, 4, ""))
    }

    fn memory_share(&self) -> f64 {
        share(self.now.memory, self.now.memory_limit)
    }

    fn network(&self) -> String {
        let sum = |part: fn(&haulout_engine::container::usage::Traffic) -> u64| {
            size::human(self.now.networks.values().map(part).sum(), 4, "")
        };
        format!("{} / {}", sum(|traffic| traffic.received), sum(|traffic| traffic.sent))
    }

    fn disks(&self) -> String {
        format!("{} / {}", size::human(self.now.read, 4, ""), size::human(self.now.written, 4, ""))
    }

    fn json(&self) -> Data {
        Struct::of("stats")
            .with("id", self.id())
            .with("name", &self.name)
            .with("cpu_time", time::go_duration(i64::try_from(self.now.cpu).unwrap_or(i64::MAX)))
            .with("cpu_percent", percent(self.cpu()))
            .with("avg_cpu", percent(self.average()))
            .with("mem_usage", self.memory())
            .with("mem_percent", percent(self.memory_share()))
            .with("net_io", self.network())
            .with("block_io", self.disks())
            .with("pids", self.now.processes.to_string())
            .into()
    }

    /// What templates see; `{{json .}}` shows the numbers behind it, as podman's does.
    fn data(&self) -> Data {
        let now = &self.now;
        let networks: BTreeMap<String, Data> = now
            .networks
            .iter()
            .map(|(name, traffic)| {
                let counted = Struct::of("define.ContainerNetworkStats")
                    .with("RxBytes", traffic.received)
                    .with("TxBytes", traffic.sent);
                (name.clone(), counted.into())
            })
            .collect();
        let networks = if networks.is_empty() { Data::Map(None) } else { networks.into() };
        let bytes = format!("{} / {}", size::human_binary(now.memory, 4), size::human_binary(now.memory_limit, 4));
        let up = time::go_duration(i64::try_from(now.cpu).unwrap_or(i64::MAX));
        Struct::of("containers.containerStats")
            .with_hidden("ID", self.id())
            .with_hidden("CPUPerc", percent(self.cpu()))
            .with_hidden("AVGCPU", percent(self.average()))
            .with_hidden("MemUsage", self.memory())
            .with_hidden("MemUsageBytes", bytes)
            .with_hidden("MemPerc", percent(self.memory_share()))
            .with_hidden("NetIO", self.network())
            .with_hidden("BlockIO", self.disks())
            .with_hidden("PIDS", now.processes.to_string())
            .with_hidden("UpTime", up)
            .with("AvgCPU", self.average())
            .with("ContainerID", self.id.to_string())
            .with("Name", &self.name)
            .with("PerCPU", Data::List(None))
            .with("CPU", self.cpu())
            .with("CPUNano", now.cpu)
            .with("CPUSystemNano", now.cpu_kernel)
            .with("SystemNano", now.time)
            .with_json("MemUsage", now.memory)
            .with("MemLimit", now.memory_limit)
            .with_json("MemPerc", self.memory_share())
            .with("Network", networks)
            .with("BlockInput", now.read)
            .with("BlockOutput", now.written)
            .with("PIDs", now.processes)
            .with_json("UpTime", now.cpu)
            .with("Duration", now.cpu)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_share_is_since_the_start_and_the_next_since_the_first() {
        let at = |time, cpu| Usage { time, started: 0, cpu, ..Usage::default() };
        let id = ContainerId::random().unwrap();
        let row = |before, now| Row { id, name: "x".into(), now, before, whole: false };
        assert!((row(None, at(1000, 250)).cpu() - 25.0).abs() < 1e-9);
        let second = row(Some(at(1000, 250)), at(2000, 1250));
        assert!((second.cpu() - 100.0).abs() < 1e-9 && (second.average() - 62.5).abs() < 1e-9);
        let idle = row(None, Usage::default());
        assert_eq!((percent(idle.cpu()), idle.memory()), ("0.00%".to_owned(), "0B / 0B".to_owned()));
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout top`.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use haulout_engine::Error;
use haulout_engine::container::processes::{Owner, Process};
use haulout_engine::container::{ContainerId, Containers, Exec, Output};

use crate::format::table;
use crate::invocation::Invocation;
use crate::{names, output, time};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [FORMAT-DESCRIPTORS|ARGS...]";

/// Display the running processes of a container
///
/// The top command extends the ps(1) compatible AIX descriptors with container-specific ones as shown below. In the presence of ps(1) specific flags (e.g, -eo), ps(1) is executed inside the container.
///
/// Format Descriptors: args,capamb,capbnd,capeff,capinh,capprm,comm,etime,group,groups,hgroup,hgroups,hpid,huid,huser,label,nice,pcpu,pgid,pid,ppid,rgroup,rss,ruser,seccomp,state,stime,time,tty,uid,user,vsz
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// A column: the words that ask for it, its heading, what it shows.
struct Column {
    name: &'static str,
    /// Its letter as ps(1) has it for AIX (`%p`).
    letter: Option<char>,
    heading: &'static str,
    show: fn(&Process) -> String,
}

const COLUMNS: &[Column] = &[
    column("args", Some('a'), "COMMAND", arguments),
    column("capamb", None, "AMBIENT CAPS", |process| capabilities(process.capabilities.ambient)),
    column("capbnd", None, "BOUNDING CAPS", |process| capabilities(process.capabilities.bounding)),
    column("capeff", None, "EFFECTIVE CAPS", |process| capabilities(process.capabilities.effective)),
    column("capinh", None, "INHERITED CAPS", |process| capabilities(process.capabilities.inheritable)),
    column("capprm", None, "PERMITTED CAPS", |process| capabilities(process.capabilities.permitted)),
    column("comm", Some('c'), "COMMAND", |process| process.command.clone()),
    column("etime", Some('t'), "ELAPSED", |process| time::go_duration(process.elapsed)),
    column("group", Some('G'), "GROUP", |process| name(&process.group)),
    column("groups", None, "GROUPS", |process| list(&process.groups, name)),
    column("hgroup", None, "HGROUP", |process| host_name(&process.group)),
    column("hgroups", None, "HGROUPS", |process| list(&process.groups, host_name)),
    column("hpid", None, "HPID", |process| process.host_pid.to_string()),
    column("huid", None, "HUID", |process| process.user.host.to_string()),
    column("huser", None, "HUSER", |process| host_name(&process.user)),
    column("label", None, "LABEL", |process| process.label.clone()),
    column("nice", Some('n'), "NI", |process| process.nice.to_string()),
    column("pcpu", Some('C'), "%CPU", share),
    column("pgid", Some('r'), "PGID", |process| process.group_leader.to_string()),
    column("pid", Some('p'), "PID", |process| process.pid.to_string()),
    column("ppid", Some('P'), "PPID", |process| process.parent.to_string()),
    column("rgroup", Some('g'), "RGROUP", |process| name(&process.real_group)),
    column("rss", None, "RSS", |process| process.resident.to_string()),
    column("ruser", Some('u'), "RUSER", |process| name(&process.real_user)),
    column("seccomp", None, "SECCOMP", seccomp),
    column("state", None, "STATE", |process| process.state.to_string()),
    column("stime", None, "STIME", |process| {
        time::go_string(Some(process.started.div_euclid(time::SECOND) * time::SECOND))
    }),
    column("time", Some('x'), "TIME", |process| time::go_duration(process.cpu.div_euclid(time::SECOND) * time::SECOND)),
    column("tty", Some('y'), "TTY", |process| process.terminal.clone().unwrap_or_else(|| "?".to_owned())),
    column("uid", None, "UID", |process| process.user.inside.to_string()),
    column("user", Some('U'), "USER", |process| name(&process.user)),
    column("vsz", Some('z'), "VSZ", |process| process.virtual_size.to_string()),
];

/// What is shown when nothing is asked for.
const DEFAULT: [&str; 8] = ["user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"];

/// What capabilities(7) calls them, in the order of their numbers.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

const fn column(
    name: &'static str,
    letter: Option<char>,
    heading: &'static str,
    show: fn(&Process) -> String,
) -> Column {
    Column { name, letter, heading, show }
}

/// Shows the processes as they are now.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let missing = "you must provide the name or id of a running container";
    let (name, words) = match args.words.split_first() {
        _ if args.latest => (None, args.words.as_slice()),
        Some((name, words)) => (Some(name), words),
        None => bail!("{missing}"),
    };
    let containers = invocation.engine().containers();
    let id = names::one(&containers, name, args.latest, missing).await.map_err(|error| match error.downcast() {
        Ok(error @ (Error::NoSuchContainer(_) | Error::NoName)) => {
            anyhow::anyhow!("unable to look up requested container: {error}")
        }
        Ok(error) => error.into(),
        Err(error) => error,
    })?;
    let asked: Vec<&str> = words.iter().flat_map(|word| word.split(',')).collect();
    let columns = if asked.is_empty() { find(&DEFAULT) } else { find(&asked) };
    let processes = containers.processes(&id).await?;
    let Some(columns) = columns else { return by_ps(&containers, &id, words).await };
    let headings: Vec<&str> = columns.iter().map(|column| column.heading).collect();
    let rows: Vec<Vec<String>> =
        processes.iter().map(|process| columns.iter().map(|column| (column.show)(process)).collect()).collect();
    output::print(&table::table(Some(&headings), &rows))?;
    Ok(0)
}

/// The columns of those names; nothing when one is none.
fn find(names: &[&str]) -> Option<Vec<&'static Column>> {
    let is_called = |column: &Column, name: &str| match name.strip_prefix('%') {
        Some(letter) => column.letter.is_some_and(|known| letter.chars().eq([known])),
        None => column.name == name,
    };
    names.iter().map(|name| COLUMNS.iter().find(|column| is_called(column, name))).collect()
}

/// Has the container's own ps(1) show them.
async fn by_ps(containers: &Containers, id: &ContainerId, words: &[String]) -> Result<u8> {
    let command = std::iter::once("ps".to_owned()).chain(words.iter().cloned()).collect();
    let mut session = containers.exec(id, Exec { command, ..Exec::default() }).await?;
    let (mut shown, mut complaint, mut status) = (Vec::new(), Vec::new(), None);
    while let Some(came) = session.next().await {
        match came? {
            Output::Stdout(bytes) => shown.extend_from_slice(&bytes),
            Output::Stderr(bytes) => complaint.extend_from_slice(&bytes),
            Output::Exited(exit) => status = exit.status,
            Output::Started(_) => {}
        }
    }
    match status {
        Some(0) => output::print(&String::from_utf8_lossy(&shown))?,
        status => {
            let complaint = String::from_utf8_lossy(&complaint);
            bail!("ps(1) failed with exit code {}: {}", status.unwrap_or(-1), complaint.trim_end());
        }
    }
    Ok(0)
}

fn arguments(process: &Process) -> String {
    // A kernel's thread and a zombie have none.
    if process.arguments.is_empty() { format!("[{}]", process.command) } else { process.arguments.join(" ") }
}

fn name(owner: &Owner) -> String {
    owner.name.clone().unwrap_or_else(|| owner.inside.to_string())
}

fn host_name(owner: &Owner) -> String {
    owner.host_name.clone().unwrap_or_else(|| owner.host.to_string())
}

fn list(owners: &[Owner], show: fn(&Owner) -> String) -> String {
    owners.iter().map(show).collect::<Vec<_>>().join(",")
}

fn share(process: &Process) -> String {
    #[allow(clippy::cast_precision_loss, reason = "it is shown with three digits")]
    let share = if process.elapsed > 0 { 100.0 * process.cpu as f64 / process.elapsed as f64 } else { 0.0 };
    format!("{share:.3}")
}

fn seccomp(process: &Process) -> String {
    match process.seccomp {
        0 => "disabled",
        1 => "strict",
        _ => "filter",
    }
    .to_owned()
}

fn capabilities(mask: u64) -> String {
    let known = (1_u64 << CAPABILITIES.len()) - 1;
    match mask {
        0 => "none".to_owned(),
        mask if mask & known == known => "full".to_owned(),
        mask => {
            let named = CAPABILITIES.iter().enumerate().filter(|(number, _)| mask >> number & 1 == 1);
            named.map(|(_, name)| *name).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(",")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_by_their_names_and_by_aix_letters() {
        let headings =
            |names: &[&str]| find(names).map(|columns| columns.iter().map(|column| column.heading).collect::<Vec<_>>());
        assert_eq!(headings(&["pid", "%C", "%a"]), Some(vec!["PID", "%CPU", "COMMAND"]));
        assert_eq!(headings(&["pid", "aux"]), None);
        assert_eq!(headings(&["%pid"]), None);
    }

    #[test]
    fn a_set_of_capabilities_is_a_list_none_or_full() {
        assert_eq!(capabilities(0), "none");
        assert_eq!(capabilities(0x01ff_ffff_ffff), "full");
        assert_eq!(capabilities(0b10_0001), "CHOWN,KILL");
    }
}

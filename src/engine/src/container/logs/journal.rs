// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lines in systemd's journal, read by journalctl(1).

use futures_util::stream::{BoxStream, StreamExt as _};
use haulout_monitor::process::is_root_of_machine;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::container::status::Monitor;
use crate::container::{ContainerId, Containers, LogLine, LogOptions};
use crate::engine::Error;
use crate::event;
use crate::systemd::journal;

/// Which lines are a container's.
pub(super) enum Which {
    /// Those that its monitor has written.
    OfMonitor(ContainerId),
    /// Those of the service whose streams it has, since it was made: nanoseconds since 1970.
    OfService { unit: String, made: i64 },
}

impl Which {
    /// What journalctl is told.
    fn arguments(&self) -> Vec<String> {
        match self {
            Self::OfMonitor(id) => vec![format!("CONTAINER_ID_FULL={id}")],
            Self::OfService { unit, made } => {
                let field = if is_root_of_machine() { "_SYSTEMD_UNIT" } else { "_SYSTEMD_USER_UNIT" };
                let since = format!("--since={}", journal::moment(made / 1000));
                vec![since, format!("{field}={unit}"), "_TRANSPORT=stdout".to_owned()]
            }
        }
    }
}

pub(super) fn lines(
    containers: Containers,
    id: ContainerId,
    which: Which,
    options: LogOptions,
) -> BoxStream<'static, Result<LogLine, Error>> {
    let stream = async_stream::try_stream! {
        let failed = |source| Error::Io { doing: "running journalctl, which reads the journal".to_owned(), source };
        let monitor = match containers.look(&id).await?.monitor {
            Monitor::Alive(process) if options.follow => Some(process),
            _ => None,
        };
        let mut cursor = None;
        let mut ended = monitor.is_none();
        // Once for what is there; then, as long as the container runs, what comes; then once more what came last.
        let mut follow = false;
        loop {
            let mut child = command(&which, options, cursor.as_deref(), follow).spawn().map_err(failed)?;
            let Some(output) = child.stdout.take() else { break };
            let mut output = BufReader::new(output).split(b'\n');
            loop {
                let text = match monitor {
                    Some(process) if follow => tokio::select! {
                        text = output.next_segment() => text,
                        () = event::end_of(process) => {
                            ended = true;
                            break;
                        }
                    },
                    _ => output.next_segment().await,
                };
                let Some(text) = text.map_err(failed)? else { break };
                if let Some((line, at)) = journal::parse(&text) {
                    cursor = Some(at);
                    yield line;
                }
            }
            let _ = child.kill().await;
            if ended && !follow {
                break;
            }
            // One that follows ends with the container, or because it was killed: what came last is asked for once more.
            ended |= follow;
            follow = !ended;
        }
    };
    stream.boxed()
}

fn command(which: &Which, options: LogOptions, cursor: Option<&str>, follow: bool) -> Command {
    let mut command = journal::reader();
    command.args(which.arguments());
    match (cursor, options.tail) {
        (Some(cursor), _) => drop(command.arg(format!("--after-cursor={cursor}"))),
        (None, Some(tail)) => drop(command.arg(format!("--lines={tail}"))),
        (None, None) => {}
    }
    if follow {
        command.arg("--follow");
        if cursor.is_none() {
            command.arg("--lines=all");
        }
    }
    command
}

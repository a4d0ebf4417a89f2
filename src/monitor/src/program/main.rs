// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout-monitor BUNDLE [COUNT]`: the one small process that stays beside each container.
//!
//! It is started by the engine in the container's user namespace and in a mount namespace of its own, with the starter's
//! socket as descriptor 3 and `monitor.json` in the bundle. COUNT descriptors that the container's process gets are from number 7 on. It drives the OCI runtime, owns the container's terminal or pipes,
//! writes its log, serves the socket `attach`, and when the container has ended records how and gives everything back.
//!
//! One thread, one poll loop ([`monitor`]); [`life`] is the container's way from `create` to `delete`, [`requests`] what clients
//! may ask for. There is one for every running container, so it is kept small: no runtime, no thread, a few buffers.

mod change;
mod client;
mod clock;
mod exec;
mod health;
mod input;
mod kernel;
mod life;
mod log;
mod monitor;
mod notify;
mod output;
mod phase;
mod requests;
mod restart;
mod runtime;
mod spec;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use haulout_monitor::anchor;
use haulout_monitor::config::Config;
use haulout_monitor::frame::{Failure, Kind};
use haulout_monitor::process::Process;

use client::{Client, Role};
use kernel::Signals;
use monitor::Monitor;
use runtime::failure;

fn main() -> ExitCode {
    let bundle = env::args_os().nth(1).map(PathBuf::from);
    if bundle.as_deref() == Some(Path::new("--hold")) {
        anchor::hold(env::args_os().nth(2).map(PathBuf::from).as_deref());
    }
    let passed = env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or_default();
    let (Some(bundle), Ok(starter)) = (bundle, kernel::starter(passed)) else {
        eprintln!("haulout-monitor is started by haulout, with a bundle's folder and a socket as descriptor 3");
        return ExitCode::from(125);
    };
    match settle(&bundle).and_then(|(config, signals)| Monitor::new(config, signals)) {
        Ok(mut monitor) => {
            monitor.serve_starter(starter);
            ExitCode::from(monitor.run())
        }
        Err(failure) => {
            let _ = fs::remove_dir_all(&bundle);
            if let Ok(mut starter) = Client::new(0, Role::Starter, starter) {
                starter.send_json(Kind::Failed, &failure);
            }
            ExitCode::from(125)
        }
    }
}

/// Makes this process what a monitor is: known by its pid file, in the bundle's folder, alone, and the parent of what
/// the runtime leaves behind.
fn settle(bundle: &Path) -> Result<(Config, Signals), Failure> {
    let failed = |doing: &str, error: std::io::Error| failure(125, format!("{doing} {}: {error}", bundle.display()));
    env::set_current_dir(bundle).map_err(|error| failed("entering", error))?;
    // The terminal's signals are not meant for it.
    let _ = rustix::process::setsid();
    let pid = std::process::id().cast_signed();
    if let Some(process) = Process::of(pid) {
        process.write(Path::new("monitor.pid")).map_err(|error| failed("writing monitor.pid in", error))?;
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| failed("becoming the parent of what runs in", error.into()))?;
    let signals = Signals::catch().map_err(|error| failed("catching signals for", error))?;
    let text = fs::read("monitor.json").map_err(|error| failed("reading monitor.json in", error))?;
    let config: Config =
        serde_json::from_slice(&text).map_err(|error| failed("reading monitor.json in", error.into()))?;
    kernel::close_on_exec(&config);
    Ok((config, signals))
}

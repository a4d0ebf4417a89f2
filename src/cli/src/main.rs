// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout`: rootless containers without a daemon, with podman's command line.
//!
//! One verb is one file below [`commands`]; what verbs share is a noun of its own here. Called by the name `podman`, it is the
//! same program.

mod commands;
mod completion;
mod conversation;
mod defaults;
mod descriptors;
mod encryption;
mod examples;
mod exit;
mod filter;
mod flags;
mod format;
mod globals;
mod invocation;
mod loaded;
mod names;
mod options;
mod output;
mod progress;
mod question;
mod registry;
mod rows;
mod short_name;
mod signal;
mod size;
mod terminal;
mod time;
mod tree;
mod units;
mod updates;
mod usage;

fn main() {
    terminal::restore_on_panic();
    let status = invocation::run(std::env::args_os());
    // Threads that read standard input may still do so: nobody waits for them.
    std::process::exit(i32::from(status))
}

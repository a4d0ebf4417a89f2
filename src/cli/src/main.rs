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
mod polkit;
mod progress;
mod question;
mod registry;
mod rows;
mod short_name;
mod size;
mod terminal;
mod time;
mod tree;
mod unfinished;
mod units;
mod updates;
mod usage;

use rustix::fs::Mode;
use rustix::process::umask;

fn main() {
    terminal::restore_on_panic();
    keep_own_rights();
    let status = invocation::run(std::env::args_os());
    // Threads that read standard input may still do so: nobody waits for them.
    std::process::exit(i32::from(status))
}

/// Has whoever runs this keep the rights to what it makes: an umask that takes them away would have the next command fail at the
/// folders of this one.
fn keep_own_rights() {
    let mask = umask(Mode::empty());
    umask(mask - Mode::RWXU);
}

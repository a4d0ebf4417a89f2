// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the generator says things: on standard error, and when systemd runs it, whose generators' standard error is shown
//! nowhere at boot, in the kernel's log.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use crate::arguments::Arguments;

pub(crate) struct Log {
    kmsg: Option<File>,
    verbose: bool,
}

impl Log {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        let by_systemd = !arguments.dry_run && !arguments.no_kmsg && !arguments.user;
        let kmsg = by_systemd.then(|| OpenOptions::new().write(true).open("/dev/kmsg").ok()).flatten();
        Self { kmsg, verbose: arguments.verbose || arguments.dry_run }
    }

    /// Something that is to be seen.
    pub(crate) fn say(&self, text: &str) {
        let line = format!("haulout-generator[{}]: {text}\n", std::process::id());
        // One write a record, or the kernel takes it for several. Nobody is left to tell when it fails.
        let told = self.kmsg.as_ref().is_some_and(|mut kmsg| kmsg.write_all(line.as_bytes()).is_ok());
        if !told {
            eprint!("{line}");
        }
    }

    /// Something of each for who asked for it; nobody else waits until it is put into words.
    pub(crate) fn details<T>(&self, items: &[T], words: impl Fn(&T) -> String) {
        for item in items.iter().filter(|_| self.verbose) {
            self.say(&words(item));
        }
    }

    /// Something for who asked for it.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            self.say(text);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the generator is called: by systemd with three folders, by people with flags. One dash or two are the same.

use std::ffi::OsString;
use std::path::PathBuf;

/// What `-help` prints.
pub(crate) const USAGE: &str = "Usage of haulout-generator: [FLAG]... [NORMAL-DIR [EARLY-DIR LATE-DIR]]
  -dryrun
    	Print the services, and write nothing
  -no-kmsg-log
    	Do not log to /dev/kmsg
  -user
    	For a user's manager
  -v	Say what is done
  -version
    	Print the version and exit
";

/// What is asked for.
pub(crate) enum Wanted {
    /// Services.
    Generate(Arguments),
    Help,
    Version,
}

/// How services are asked for.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) dry_run: bool,
    pub(crate) user: bool,
    pub(crate) verbose: bool,
    pub(crate) no_kmsg: bool,
    /// Where generated units go, and where those go that outrank the ones that people write.
    pub(crate) normal: Option<PathBuf>,
    pub(crate) early: Option<PathBuf>,
}

impl Wanted {
    pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut words = words;
        let name = words.next().unwrap_or_default();
        let name = PathBuf::from(name);
        // systemd gives a generator no flags: which manager asks is in the name under which it is installed.
        let named_user = name.file_name().is_some_and(|name| name.to_string_lossy().contains("user"));
        let mut arguments = Arguments { user: named_user, ..Arguments::default() };
        let mut folders = Vec::new();
        for word in words {
            let text = word.to_string_lossy();
            let Some(flag) = text.strip_prefix('-').filter(|_| folders.is_empty()) else {
                folders.push(PathBuf::from(word));
                continue;
            };
            match flag.strip_prefix('-').unwrap_or(flag) {
                "dryrun" => arguments.dry_run = true,
                "user" => arguments.user = true,
                "v" => arguments.verbose = true,
                "no-kmsg-log" => arguments.no_kmsg = true,
                "version" => return Ok(Self::Version),
                "h" | "help" => return Ok(Self::Help),
                other => return Err(format!("flag provided but not defined: -{other}")),
            }
        }
        let mut folders = folders.into_iter();
        (arguments.normal, arguments.early) = (folders.next(), folders.next());
        Ok(Self::Generate(arguments))
    }
}

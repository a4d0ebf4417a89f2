// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Standard output and standard error.
//!
//! A reader that has gone (`haulout ps | head -1`) ends the command as it ends any other: by SIGPIPE.

#![allow(unsafe_code, reason = "SIGPIPE's default action, which the standard library took away")]

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{SigHandler, Signal, raise, signal};

/// Prints `text` as it is.
///
/// # Errors
/// What writing met, but for a reader that has gone: that does not return.
pub fn print(text: &str) -> io::Result<()> {
    write(&mut io::stdout().lock(), text.as_bytes())
        .map_err(|error| io::Error::new(error.kind(), format!("write /dev/stdout: {}", crate::exit::os_words(&error))))
}

/// Prints `text` and a newline.
pub fn line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints on standard error, which may not be there.
pub fn error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether somebody wants no warnings.
static NO_WARNINGS: AtomicBool = AtomicBool::new(false);

/// Has warnings not shown any more.
pub fn no_warnings() {
    NO_WARNINGS.store(true, Ordering::Relaxed);
}

/// A warning, as podman's logger has it.
pub fn warning(text: &str) {
    if NO_WARNINGS.load(Ordering::Relaxed) {
        return;
    }
    logged("warning", text);
}

/// Something that went wrong and that the command goes on after, as podman's logger has it.
pub fn failure(text: &str) {
    logged("error", text);
}

fn logged(level: &str, text: &str) {
    error(&format!(
        "time={:?} level={level} msg={text:?}\n",
        crate::time::rfc3339(Some(crate::time::now() / 1_000_000_000 * 1_000_000_000))
    ));
}

/// Writes all of `bytes`.
pub fn write(to: &mut impl io::Write, bytes: &[u8]) -> io::Result<()> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => die_of_sigpipe(),
        other => other,
    }
}

/// Where an archive goes: to the file `path`, whose error `failed` makes of its name and the system's words, or to standard output,
/// which has to lead somewhere else than to a terminal.
pub fn archive(path: Option<&str>, failed: impl Fn(&str, &str) -> String) -> Result<OwnedFd> {
    match path {
        None if crate::terminal::is_output() => bail!("refusing to export to terminal. Use -o flag or redirect"),
        None => io::stdout().as_fd().try_clone_to_owned().context("passing on standard output"),
        Some(path) => match File::create(path) {
            Ok(file) => Ok(file.into()),
            Err(error) => bail!(failed(path, &crate::exit::os_words(&error))),
        },
    }
}

/// Removes the file that was begun at `path`, if one was: half an archive is none. What is no file (a pipe, a device) stays.
pub fn discard(path: Option<&str>) {
    if let Some(path) = path
        && std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
    {
        let _ = std::fs::remove_file(path);
    }
}

/// Ends this process as if SIGPIPE had not been ignored.
fn die_of_sigpipe() -> ! {
    crate::terminal::restore();
    // SAFETY: the default action replaces an ignored signal; no handler of ours is involved.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    let _ = raise(Signal::SIGPIPE);
    std::process::exit(141)
}

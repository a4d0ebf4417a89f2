// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Standard output and standard error.
//!
//! A reader that has gone (`haulout ps | head -1`) ends the command as it ends any other: by SIGPIPE.

#![allow(unsafe_code, reason = "SIGPIPE's default action, which the standard library took away")]

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigHandler, Signal, raise, signal};
use rustix::event::{PollFd, PollFlags};

/// Prints `text` as it is.
///
/// # Errors
/// What writing met, but for a reader that has gone: that does not return.
pub fn print(text: &str) -> io::Result<()> {
    bytes(text.as_bytes())
}

/// Prints bytes, which may be anything, as they are.
///
/// # Errors
/// As [`print`].
pub fn bytes(bytes: &[u8]) -> io::Result<()> {
    write(&mut io::stdout().lock(), bytes)
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

/// What follows when an archive could not be written to standard output. Where its reader has gone, nobody wants to hear of it: does
/// not return then.
pub fn end_if_nobody_reads() {
    if reader_has_gone() {
        die_of_sigpipe();
    }
}

/// Whether standard output is a pipe that nobody reads any more.
fn reader_has_gone() -> bool {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::OUT)];
    let now = rustix::event::Timespec::default();
    rustix::event::poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::ERR)
}

/// Ends this process as if SIGPIPE had not been ignored.
fn die_of_sigpipe() -> ! {
    crate::terminal::restore();
    // SAFETY: the default action replaces an ignored signal; no handler of ours is involved.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    let _ = raise(Signal::SIGPIPE);
    std::process::exit(141)
}

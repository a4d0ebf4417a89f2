// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The way to the container's standard input: its pipe, or its terminal's master.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// The container's input. While something waits here, clients' input is not read.
#[derive(Debug, Default)]
pub struct Input {
    /// Whether the container takes any.
    open: bool,
    target: Option<OwnedFd>,
    terminal: bool,
    waiting: Vec<u8>,
    written: usize,
    closing: bool,
}

impl Input {
    /// Input that will go somewhere once it is connected.
    pub fn open() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// Goes to `target` from now on, which is non-blocking.
    pub fn connect(&mut self, target: OwnedFd, terminal: bool) {
        self.target = Some(target);
        self.terminal = terminal;
        self.flush();
    }

    /// Sends bytes. They go nowhere when the container takes none.
    pub fn send(&mut self, bytes: &[u8]) {
        if self.open && !self.closing {
            self.waiting.extend_from_slice(bytes);
            self.flush();
        }
    }

    /// No more will come: the container reads end of file after what waits. A terminal has no end.
    pub fn close(&mut self) {
        if self.open && !self.terminal {
            self.closing = true;
            self.flush();
        }
    }

    /// Whether something waits.
    pub fn is_blocked(&self) -> bool {
        self.written < self.waiting.len()
    }

    /// What to wait for, while something waits.
    pub fn blocked(&self) -> Option<BorrowedFd<'_>> {
        self.target.as_ref().filter(|_| self.is_blocked()).map(OwnedFd::as_fd)
    }

    /// Writes what waits, as far as it goes.
    pub fn flush(&mut self) {
        while let Some(target) = &self.target
            && self.written < self.waiting.len()
        {
            match rustix::io::write(target, &self.waiting[self.written..]) {
                Ok(length) => self.written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // Nobody reads it any more.
                Err(_) => {
                    self.target = None;
                    self.open = false;
                }
            }
        }
        if self.open && self.target.is_none() {
            return;
        }
        self.waiting.clear();
        self.waiting.shrink_to(0);
        self.written = 0;
        if self.closing {
            self.target = None;
            self.open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn what_waits_is_read_before_the_end_of_file() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let mut input = Input::open();
        input.connect(writer, false);
        let sent: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        input.send(&sent);
        assert!(input.blocked().is_some());
        input.close();
        let mut reader = std::fs::File::from(reader);
        let mut read = vec![0; sent.len()];
        for part in read.chunks_mut(50_000) {
            reader.read_exact(part).unwrap();
            input.flush();
        }
        assert_eq!(read, sent);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }
}

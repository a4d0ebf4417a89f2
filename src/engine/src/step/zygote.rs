// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The zygote: one thread that waits for steps and forks a child for each.
//!
//! It lives as long as its socket: when the other end is closed (its caller ended, however), it kills what still runs and
//! ends. Nothing else ends it: signals that a terminal or a service manager sends to a whole group are for the caller to
//! decide about.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::fork::{self, Child, Fork};
use super::wire::{self, Packet, Parts, Received};
use super::{Answer, child};

/// A step that is being done.
struct Running {
    child: Child,
    /// Ends when the caller does not want it any more; closed when the child was killed for that.
    lifeline: Option<OwnedFd>,
}

/// Serves `socket` until its other end closes, then ends the process.
pub(super) fn serve(socket: OwnedFd) -> ! {
    let Ok(socket) = settle(socket) else { fork::exit(125) };
    let mut running: Vec<Running> = Vec::new();
    while turn(&socket, &mut running).is_ok() {}
    for step in &running {
        let _ = pidfd_send_signal(&step.child.pidfd, Signal::KILL);
    }
    // Whoever waits for this process takes nothing to be left of it.
    for step in &running {
        reap(&step.child);
    }
    fork::exit(0)
}

/// Becomes a process of its own: no descriptor, terminal, folder or signal of the caller's.
fn settle(socket: OwnedFd) -> io::Result<OwnedFd> {
    fork::reset_signals();
    for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGTERM, libc::SIGTSTP, libc::SIGPIPE] {
        fork::ignore_signal(signal);
    }
    fork::close_all_but(&[socket.as_raw_fd()]);
    fork::silence()?;
    // A worker is started as a session leader's child or as a leader: then it has one already.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")?;
    fork::rename("haulout-zygote");
    Ok(socket)
}

/// Waits until something happens, and deals with it. An error means that the socket has ended.
fn turn(socket: &OwnedFd, running: &mut Vec<Running>) -> io::Result<()> {
    let (calls, ended, cut) = wait(socket, running)?;
    for index in cut {
        if let Some(step) = running.get_mut(index) {
            let _ = pidfd_send_signal(&step.child.pidfd, Signal::KILL);
            step.lifeline = None;
        }
    }
    // From the last one, so that the numbers of those before stay true.
    for index in ended.into_iter().rev() {
        if index < running.len() {
            reap(&running.swap_remove(index).child);
        }
    }
    if calls {
        match wire::receive(socket)? {
            Received::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            Received::Garbage => {}
            Received::Packet(packet) => running.extend(begin(packet)),
        }
    }
    Ok(())
}

/// Whether the socket has something, which children have ended, and which lifelines.
fn wait(socket: &OwnedFd, running: &[Running]) -> io::Result<(bool, Vec<usize>, Vec<usize>)> {
    let mut what = vec![PollFd::new(socket, PollFlags::IN)];
    let mut lifelines = Vec::new();
    for (index, step) in running.iter().enumerate() {
        what.push(PollFd::new(&step.child.pidfd, PollFlags::IN));
        if let Some(lifeline) = &step.lifeline {
            lifelines.push((index, lifeline));
        }
    }
    // Nobody writes to a lifeline: only its end is asked for.
    what.extend(lifelines.iter().map(|(_, lifeline)| PollFd::new(*lifeline, PollFlags::empty())));
    rustix::io::retry_on_intr(|| poll(&mut what, None))?;
    let happened = |place: usize| what.get(place).is_some_and(|fd| !fd.revents().is_empty());
    let ended = (0..running.len()).filter(|index| happened(1 + index)).collect();
    let cut = lifelines.iter().enumerate().filter(|(place, _)| happened(1 + running.len() + place));
    Ok((happened(0), ended, cut.map(|(_, (index, _))| *index).collect()))
}

/// Forks the child that does what `packet` asks for.
fn begin(packet: Packet) -> Option<Running> {
    // Taken apart on this side: the child is to have nothing but what is its own, and nonsense is not worth a fork.
    let Parts { request, reply, descriptors, lifeline } = packet.open()?;
    let request = match request {
        Ok(request) => request,
        Err(why) => {
            wire::answer(&reply, &Answer::Failed(why));
            return None;
        }
    };
    let own = rustix::process::getpid();
    match fork::fork() {
        Ok(Fork::Child) => child::run(request, &reply, descriptors, own),
        Ok(Fork::Parent(child)) => Some(Running { child, lifeline: Some(lifeline) }),
        Err(error) => {
            wire::answer(reply.as_fd(), &Answer::Failed(format!("forking a process for a step: {error}")));
            None
        }
    }
}

fn reap(child: &Child) {
    let _ = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED));
}

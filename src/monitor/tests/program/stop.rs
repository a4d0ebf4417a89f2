// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signals to the container, and to the monitor.

use std::io::Write as _;

use haulout_monitor::config::Restart;
use haulout_monitor::frame::Kind;
use rustix::process::{Pid, Signal, kill_process};

use crate::container::{Container, Draft, eventually, possible};

/// A container that says which signal came, once it says that it listens.
fn listening(restart: Restart) -> Container {
    let script = "trap 'echo term; exit 11' TERM; trap 'echo usr1' USR1; echo ready; while :; do sleep 0.05; done";
    let mut draft = Draft::attached(&["sh", "-c", script]);
    draft.config.restart = restart;
    let mut container = draft.start();
    container.starter.listen_for("ready\n");
    container
}

#[test]
fn a_signal_comes_to_the_containers_process() {
    if !possible() {
        return;
    }
    let mut container = listening(Restart::No);
    let mut visitor = container.connect();
    visitor.send(Kind::Signal, "10");
    visitor.expect(Kind::Done);
    container.starter.listen_for("usr1\n");
    visitor.send(Kind::Signal, "15");
    visitor.expect(Kind::Done);
    assert_eq!(container.starter.listen().exit.status, Some(11));
    container.assert_gone();
}

#[test]
fn a_signal_that_there_is_not_is_refused_and_the_connection_stays() {
    if !possible() {
        return;
    }
    let container = listening(Restart::No);
    let mut visitor = container.connect();
    for number in ["99", "", "TERM"] {
        visitor.send(Kind::Signal, number);
        assert_eq!(visitor.expect_failure().status, 125);
    }
    visitor.send(Kind::Signal, "9");
    visitor.expect(Kind::Done);
}

#[test]
fn who_speaks_another_language_is_let_go_and_nobody_else_suffers() {
    if !possible() {
        return;
    }
    let mut container = listening(Restart::No);
    let mut strangers: Vec<_> = (0..50).map(|_| container.connect()).collect();
    for (number, stranger) in strangers.iter_mut().enumerate() {
        let words: &[u8] = match number % 4 {
            0 => b"GET / HTTP/1.1\r\n\r\n",
            1 => b"\x07\xff\xff\xff\xff",
            2 => b"\x07\x05\0\0\0{}",
            _ => b"\x01",
        };
        stranger.stream.write_all(words).unwrap();
    }
    for (number, stranger) in strangers.iter_mut().enumerate().filter(|(number, _)| number % 4 < 2) {
        assert!(stranger.next().is_none(), "stranger {number}");
    }
    let mut visitor = container.connect();
    visitor.send(Kind::Exec, "no json");
    assert_eq!(visitor.expect_failure().status, 125);
    let mut visitor = container.connect();
    visitor.send(Kind::Signal, "15");
    visitor.expect(Kind::Done);
    assert_eq!(container.starter.listen().exit.status, Some(11));
    drop(strangers);
    container.assert_gone();
}

#[test]
fn a_monitor_that_is_asked_to_end_ends_its_container_and_waits_for_it() {
    if !possible() {
        return;
    }
    let mut container = listening(Restart::Always);
    let pid = Pid::from_raw(container.monitor.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let said = container.starter.listen();
    assert_eq!(said.stdout, b"term\n");
    assert_eq!(said.exit.status, Some(11));
    assert_eq!(container.last_run().restarts, 0);
    container.assert_gone();
}

#[test]
fn a_monitor_that_is_asked_to_end_before_its_container_runs_says_so_to_who_waits_for_that() {
    if !possible() {
        return;
    }
    let mut draft = Draft::new(&["sleep", "1000"]);
    let mark = draft.config.folder.join("cleaned");
    draft.config.cleanup = Some(vec!["touch".into(), mark.display().to_string()]);
    let mut container = draft.launch();
    container.starter.expect(Kind::Created);
    let pid = Pid::from_raw(container.monitor.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(container.starter.expect_failure().message, "it was asked to end before it ran");
    drop(container.starter.stream.shutdown(std::net::Shutdown::Both));
    eventually("the cleanup", || mark.exists());
    container.assert_gone();
}

#[test]
fn a_monitor_that_is_killed_takes_nothing_of_the_container_with_it() {
    if !possible() {
        return;
    }
    let mut container = listening(Restart::No);
    let init = haulout_monitor::process::Process::read(&container.config.bundle.join("init.pid")).unwrap();
    container.monitor.kill().unwrap();
    container.monitor.wait().unwrap();
    assert!(init.is_alive());
    assert_eq!(container.last_run().exit, None);
    kill_process(Pid::from_raw(init.pid).unwrap(), Signal::KILL).unwrap();
    eventually("the end of the container", || !init.is_alive());
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Start, end, and what is left of both.

use std::fs;

use haulout_monitor::config::Restart;
use haulout_monitor::frame::Kind;
use haulout_monitor::process::Process;

use crate::container::{Draft, eventually, possible, processes_with};

#[test]
fn a_command_runs_and_its_output_and_status_come_back() {
    if !possible() {
        return;
    }
    let (container, said) = Draft::attached(&["sh", "-c", "echo out; echo err >&2; exit 7"]).run();
    assert_eq!(said.stdout, b"out\n");
    assert_eq!(said.stderr, b"err\n");
    assert_eq!(said.exit.status, Some(7));
    assert_eq!(container.log(), ["stdout F out", "stderr F err"]);
    assert_eq!(container.events(), ["init", "start", "attach", "died 7", "cleanup"]);
    let last_run = container.last_run();
    assert_eq!(last_run.exit.as_ref(), Some(&said.exit));
    assert!(last_run.started < said.exit.finished);
    container.assert_gone();
}

#[test]
fn a_running_container_is_known_by_its_files() {
    if !possible() {
        return;
    }
    let mut container = Draft::new(&["sleep", "1000"]).start();
    let init = Process::read(&container.config.bundle.join("init.pid")).unwrap();
    let monitor = Process::read(&container.config.bundle.join("monitor.pid")).unwrap();
    assert!(init.is_alive() && monitor.is_alive());
    assert_eq!(container.last_run().pid, init.pid);
    assert_eq!(container.last_run().exit, None);
    let mut visitor = container.connect();
    visitor.send(Kind::Wait, "");
    visitor.send(Kind::Signal, "9");
    visitor.expect(Kind::Done);
    let said = visitor.listen();
    assert_eq!(said.exit.status, Some(137));
    assert_eq!(container.starter.listen().exit, said.exit);
    container.assert_gone();
}

#[test]
fn what_cannot_be_run_fails_in_podmans_words() {
    if !possible() {
        return;
    }
    for (command, status, words) in [
        (
            "nosuch",
            127,
            "not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found",
        ),
        ("/etc/passwd", 126, "OCI permission denied"),
    ] {
        let mut container = Draft::attached(&[command]).launch();
        container.starter.send(Kind::Go, "");
        let failure = container.starter.expect_failure();
        assert_eq!(failure.status, status, "{failure:?}");
        assert!(failure.message.starts_with("crun: ") && failure.message.ends_with(words), "{failure:?}");
        assert!(container.starter.next().is_none());
        assert!(!container.config.folder.join("last-run").exists());
        container.assert_gone();
    }
}

#[test]
fn a_starter_that_goes_before_the_word_leaves_nothing() {
    if !possible() {
        return;
    }
    let mut draft = Draft::attached(&["sleep", "1000"]);
    let mark = draft.config.folder.join("cleaned");
    draft.config.cleanup = Some(vec!["touch".into(), mark.display().to_string()]);
    let mut container = draft.launch();
    container.starter.expect(Kind::Created);
    container.starter.stream.shutdown(std::net::Shutdown::Both).unwrap();
    eventually("the cleanup", || mark.exists());
    assert!(!container.config.folder.join("last-run").exists());
    container.assert_gone();
}

#[test]
fn a_starter_that_goes_after_the_word_but_before_it_told_the_scope_leaves_nothing() {
    if !possible() {
        return;
    }
    let mut draft = Draft::attached(&["sleep", "1000"]);
    draft.config.cgroup = haulout_monitor::config::Cgroup::Scope;
    let mut container = draft.launch();
    container.starter.send(Kind::Go, "");
    container.starter.stream.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(!container.config.folder.join("last-run").exists());
    container.assert_gone();
}

#[test]
fn the_container_outlives_its_starter() {
    if !possible() {
        return;
    }
    let container = Draft::attached(&["sh", "-c", "read x < /tmp/go; echo late; exit 3"]);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        container.config.rootfs.as_ref().unwrap().parent().unwrap().join("rootfs/tmp/go"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let mut container = container.start();
    container.starter.stream.shutdown(std::net::Shutdown::Both).unwrap();
    fs::write(crate::container::in_root(&container, "/tmp/go"), "now\n").unwrap();
    container.monitor.wait().unwrap();
    assert_eq!(container.log(), ["stdout F late"]);
    assert_eq!(container.last_run().exit.unwrap().status, Some(3));
}

#[test]
fn a_removed_container_is_not_cleaned_up_and_a_forgotten_one_is() {
    if !possible() {
        return;
    }
    for removed in [true, false] {
        let mut draft = Draft::attached(&["true"]);
        let mark = draft.config.folder.join("cleaned");
        draft.config.cleanup = Some(vec!["touch".into(), mark.display().to_string()]);
        let mut container = draft.start();
        container.starter.listen();
        if removed {
            container.starter.send(Kind::Removed, "");
            // The end of the connection tells that the rest is given back too.
            std::io::Read::read_to_end(&mut container.starter.stream, &mut Vec::new()).unwrap();
            assert!(!container.config.bundle.exists());
        } else {
            container.starter.stream.shutdown(std::net::Shutdown::Both).unwrap();
        }
        container.monitor.wait().unwrap();
        if removed {
            assert!(!mark.exists());
        } else {
            eventually("the cleanup", || mark.exists());
        }
    }
}

#[test]
fn a_command_that_ends_before_the_runtime_does_is_one_that_ran() {
    if !possible() {
        return;
    }
    for cleanup in [None, Some(vec!["true".to_owned()])] {
        let mut draft = Draft::attached(&["sh", "-c", "echo quick; exit 6"]);
        let slow = ["sh", "-c", "\"$@\"; status=$?; sleep 0.5; exit $status", "slow"].map(str::to_owned);
        draft.config.runtime.splice(0..0, slow);
        draft.config.cleanup = cleanup;
        let mut container = draft.start();
        let said = container.starter.listen();
        assert_eq!(said.stdout, b"quick\n");
        assert_eq!(said.exit.status, Some(6));
    }
}

#[test]
fn a_failing_command_is_restarted_as_often_as_was_said() {
    if !possible() {
        return;
    }
    let mut draft = Draft::new(&["sh", "-c", "echo again; exit 4"]);
    draft.config.restart = Restart::OnFailure(Some(2));
    let mut container = draft.start();
    container.starter.listen();
    container.monitor.wait().unwrap();
    assert_eq!(container.log(), ["stdout F again"; 3]);
    assert_eq!(container.last_run().restarts, 2);
    assert_eq!(
        container.events(),
        [
            "init", "start", "died 4", "restart", "init", "start", "died 4", "restart", "init", "start", "died 4",
            "cleanup"
        ]
    );
    container.assert_gone();
}

#[test]
fn a_container_that_a_user_stops_is_not_restarted() {
    if !possible() {
        return;
    }
    let mut draft = Draft::new(&["sleep", "1000"]);
    draft.config.restart = Restart::Always;
    let container = draft.start();
    let mut visitor = container.connect();
    visitor.send(Kind::Stopping, "");
    visitor.send(Kind::Signal, "9");
    visitor.expect(Kind::Done);
    visitor.send(Kind::Wait, "");
    assert_eq!(visitor.listen().exit.status, Some(137));
    assert_eq!(container.last_run().restarts, 0);
    container.assert_gone();
}

#[test]
fn a_container_whose_time_is_up_is_killed() {
    if !possible() {
        return;
    }
    let mut draft = Draft::attached(&["sleep", "7654321"]);
    draft.config.timeout = Some(1);
    let (container, said) = draft.run();
    assert_eq!(said.exit.status, Some(255));
    assert_eq!(processes_with("sleep 7654321"), Vec::<String>::new());
    container.assert_gone();
}

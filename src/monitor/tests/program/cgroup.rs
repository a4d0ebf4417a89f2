// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cgroups, in a delegated scope of the user's service manager; and the journal, which knows senders by them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use haulout_monitor::config::{Cgroup, Log};
use haulout_monitor::frame::Kind;
use haulout_monitor::process::Process;

use crate::container::{Draft, eventually, on_test_host, possible};

const SCOPE: [&str; 6] = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "--property=Delegate=yes"];

/// Whether there is a user manager. Says so if not.
fn in_session() -> bool {
    let run = Command::new("systemctl").args(["--user", "is-system-running"]).stdout(Stdio::piped()).output();
    let running = run.is_ok_and(|output| !output.stdout.is_empty() && !output.stdout.starts_with(b"offline"));
    assert!(running || !on_test_host(), "there is no user manager");
    if !running {
        eprintln!("skipped: there is no user manager; run it with tests/host/run");
    }
    running
}

/// The cgroup (version 2) of a process.
fn cgroup_of(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
}

fn with_cgroup(cgroup: Cgroup, command: &[&str]) -> Draft {
    let mut draft = Draft::attached(command);
    draft.config.cgroup = cgroup;
    draft.config.runtime.pop();
    draft.config.runtime.push("--cgroup-manager=cgroupfs".into());
    draft
}

#[test]
fn a_scope_is_divided_and_gone_with_the_container() {
    if !possible() || !in_session() {
        return;
    }
    let mut container = with_cgroup(Cgroup::Scope, &["sleep", "1000"]).launch_below(&SCOPE);
    container.starter.send(Kind::Go, "");
    let monitor = container.monitor.id();
    eventually("the monitor", || container.config.bundle.join("attach").exists());
    let scope = cgroup_of(monitor);
    assert_eq!(scope.rsplit_once('.').unwrap().1, "scope");
    container.starter.send(Kind::Cgroup, scope.clone());
    container.starter.expect(Kind::Created);
    container.starter.expect(Kind::Started);
    let init = Process::read(&container.config.bundle.join("init.pid")).unwrap();
    assert_eq!(cgroup_of(monitor), format!("{scope}/supervisor"));
    assert_eq!(cgroup_of(init.pid.cast_unsigned()), format!("{scope}/container"));
    let mut visitor = container.connect();
    visitor.send(Kind::Signal, "9");
    visitor.expect(Kind::Done);
    let said = container.starter.listen();
    assert_eq!((said.exit.status, said.exit.oom_killed), (Some(137), false));
    let folder = Path::new("/sys/fs/cgroup").join(scope.trim_start_matches('/'));
    assert!(!folder.join("container").exists());
    container.assert_gone();
    eventually("the end of the scope", || !folder.exists());
}

#[test]
fn nothing_is_created_before_the_scope_is_known_and_none_is_an_answer_too() {
    if !possible() {
        return;
    }
    let mut draft = with_cgroup(Cgroup::Scope, &["true"]);
    draft.config.runtime.pop();
    draft.config.runtime.push("--cgroup-manager=disabled".into());
    let mut container = draft.launch();
    container.starter.send(Kind::Go, "");
    container.starter.stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    let nothing = haulout_monitor::frame::Frame::read(&mut container.starter.stream);
    assert_eq!(nothing.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    container.starter.send(Kind::Cgroup, "");
    container.starter.stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    container.starter.expect(Kind::Created);
    container.starter.expect(Kind::Started);
    assert_eq!(container.starter.listen().exit.status, Some(0));
}

#[test]
fn a_scope_that_is_not_there_fails_the_start() {
    if !possible() {
        return;
    }
    for path in ["/nowhere.scope", "relative", "/../.."] {
        let mut container = with_cgroup(Cgroup::Scope, &["true"]).launch();
        container.starter.send(Kind::Cgroup, path);
        let failure = container.starter.expect_failure();
        assert!(failure.message.starts_with("dividing the container's scope: "), "{failure:?}");
        container.assert_gone();
    }
}

#[test]
fn with_split_the_services_own_cgroup_is_divided() {
    if !possible() || !in_session() {
        return;
    }
    let mut container = with_cgroup(Cgroup::Split, &["sleep", "1000"]).launch_below(&SCOPE);
    container.starter.send(Kind::Go, "");
    container.starter.expect(Kind::Created);
    container.starter.expect(Kind::Started);
    let init = Process::read(&container.config.bundle.join("init.pid")).unwrap();
    let monitor = cgroup_of(container.monitor.id());
    let service = monitor.strip_suffix("/supervisor").unwrap();
    assert_eq!(cgroup_of(init.pid.cast_unsigned()), format!("{service}/container"));
    let mut visitor = container.connect();
    visitor.send(Kind::Signal, "9");
    visitor.expect(Kind::Done);
    container.starter.listen();
    container.assert_gone();
}

#[test]
fn the_journal_gets_every_line_with_whose_it_is() {
    if !possible() || !in_session() {
        return;
    }
    let long = "x".repeat(20_000);
    let script = format!("echo out; echo err >&2; printf par; sleep 0.1; echo tial; echo {long}; printf end");
    let mut draft = Draft::attached(&["sh", "-c", &script]);
    draft.config.log = Log::Journald { tag: Some("tagged\nmore".into()) };
    let (container, _) = draft.run();
    let mut lines = Vec::new();
    eventually("the journal's last line", || {
        let output = Command::new("journalctl")
            .args(["--user", "--output=json", "--all", &format!("CONTAINER_ID_FULL={}", container.config.id)])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
        lines.iter().any(|line| line["MESSAGE"] == "end")
    });
    let messages: Vec<_> = lines.iter().map(|line| line["MESSAGE"].as_str().unwrap()).collect();
    assert_eq!(messages[..3], ["out", "err", "partial"]);
    assert_eq!(messages[3..].concat(), long + "end");
    assert_eq!(lines[3]["CONTAINER_PARTIAL_MESSAGE"], "true");
    assert_eq!((lines[0]["PRIORITY"].as_str(), lines[1]["PRIORITY"].as_str()), (Some("6"), Some("3")));
    for (field, value) in [
        ("CONTAINER_ID", &container.config.id[..12]),
        ("CONTAINER_NAME", "test"),
        ("IMAGE_NAME", "localhost/busybox:latest"),
        ("CONTAINER_TAG", "tagged\nmore"),
        ("SYSLOG_IDENTIFIER", "tagged\nmore"),
    ] {
        assert_eq!(lines[0][field], value, "{field}");
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The network namespace that the monitor makes, and pasta beside it.

use haulout_monitor::config::Network;
use haulout_monitor::frame::Kind;
use serde_json::json;

use crate::container::{Draft, eventually, possible, processes_with};

fn with_pasta(command: &[&str], pasta: &[&str]) -> Draft {
    let mut draft = Draft::attached(command);
    draft.config.network = Network::Pasta { command: pasta.iter().map(|&word| word.to_owned()).collect() };
    let netns = draft.config.bundle.join("netns");
    for namespace in draft.spec["linux"]["namespaces"].as_array_mut().unwrap() {
        if namespace["type"] == "network" {
            *namespace = json!({"type": "network", "path": netns});
        }
    }
    draft
}

/// As the engine calls it.
const PASTA: [&str; 12] =
    ["pasta", "--config-net", "-t", "none", "-u", "none", "-T", "none", "-U", "none", "--no-map-gw", "--quiet"];

#[test]
fn the_network_is_there_when_the_container_starts_and_pasta_goes_with_it() {
    if !possible() {
        return;
    }
    let mut container = with_pasta(&["sh", "-c", "ip -o link; ip -o -4 addr; read x"], &PASTA).launch();
    container.config.stdin_open = true;
    container.starter.send(Kind::Go, "");
    container.starter.expect(Kind::Created);
    container.starter.expect(Kind::Started);
    let said = container.starter.listen();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(text.contains("lo: <LOOPBACK,UP"), "{text}");
    assert!(text.lines().any(|line| line.contains("inet ") && !line.contains("127.0.0.1")), "{text}");
    let id = container.config.bundle.display().to_string();
    container.monitor.wait().unwrap();
    eventually("pasta's end", || processes_with(&id).is_empty());
    container.assert_gone();
}

#[test]
fn a_pasta_that_fails_fails_the_start_in_its_own_words() {
    if !possible() {
        return;
    }
    let mut container = with_pasta(&["true"], &["pasta", "--no-such-option"]).launch();
    container.starter.send(Kind::Go, "");
    let failure = container.starter.expect_failure();
    assert!(failure.message.starts_with("setting up Pasta: pasta failed with exit code 1:\n"), "{failure:?}");
    assert!(failure.message.contains("no-such-option"), "{failure:?}");
    container.assert_gone();
}

#[test]
fn a_missing_pasta_is_named_with_its_package() {
    if !possible() {
        return;
    }
    let mut container = with_pasta(&["true"], &["/nowhere/pasta"]).launch();
    let failure = container.starter.expect_failure();
    assert!(failure.message.contains("/nowhere/pasta") && failure.message.contains("passt"), "{failure:?}");
    container.assert_gone();
}

#[test]
fn a_pasta_that_dies_is_an_event_and_the_container_goes_on() {
    if !possible() {
        return;
    }
    let mut container = with_pasta(&["sleep", "1000"], &PASTA).start();
    let pasta = pasta_of(container.monitor.id());
    rustix::process::kill_process(rustix::process::Pid::from_raw(pasta).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    eventually("the event", || container.events().contains(&"network 137".to_owned()));
    let mut visitor = container.connect();
    visitor.send(Kind::Signal, "9");
    visitor.expect(Kind::Done);
    assert_eq!(container.starter.listen().exit.status, Some(137));
    container.assert_gone();
}

#[test]
fn a_killed_monitor_takes_pasta_along() {
    if !possible() {
        return;
    }
    let mut container = with_pasta(&["sleep", "1000"], &PASTA).start();
    let pasta = haulout_monitor::process::Process::of(pasta_of(container.monitor.id())).unwrap();
    let init = haulout_monitor::process::Process::read(&container.config.bundle.join("init.pid")).unwrap();
    container.monitor.kill().unwrap();
    container.monitor.wait().unwrap();
    eventually("pasta's end", || !pasta.is_alive());
    rustix::process::kill_process(rustix::process::Pid::from_raw(init.pid).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
}

/// The pasta that is a child of `monitor`.
fn pasta_of(monitor: u32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).unwrap();
    let pids = children.split_ascii_whitespace().map(|pid| pid.parse::<i32>().unwrap());
    pids.into_iter()
        .find(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().starts_with("pasta"))
        .expect("no pasta")
}

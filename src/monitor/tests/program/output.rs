// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Output and input: every byte, whoever reads it, however slowly.

use std::io::Read as _;

use haulout_monitor::config::Log;
use haulout_monitor::frame::{Frame, Kind};

use crate::container::{Draft, eventually, possible};

/// What `seq 1 COUNT` prints.
fn sequence(count: u32) -> Vec<u8> {
    (1..=count).flat_map(|number| format!("{number}\n").into_bytes()).collect()
}

#[test]
fn a_large_output_comes_whole_to_the_client_and_to_the_log() {
    if !possible() {
        return;
    }
    let (container, said) = Draft::attached(&["seq", "1", "300000"]).run();
    assert!(said.stdout == sequence(300_000), "{} bytes came", said.stdout.len());
    let log = container.log();
    assert_eq!(log.len() - log.iter().filter(|line| line.starts_with("stdout P")).count(), 300_000);
}

#[test]
fn bytes_that_are_no_text_come_as_they_are() {
    if !possible() {
        return;
    }
    let (_container, said) = Draft::attached(&["dd", "if=/bin/busybox", "bs=65536"]).run();
    assert!(said.stdout == std::fs::read("/usr/bin/busybox").unwrap());
}

#[test]
fn a_starter_that_does_not_read_gets_everything_later() {
    if !possible() {
        return;
    }
    let mut container = Draft::attached(&["seq", "1", "200000"]).start();
    std::thread::sleep(std::time::Duration::from_millis(300));
    // It is held up: the container still runs.
    assert!(container.config.bundle.join("init.pid").exists());
    let said = container.starter.listen();
    assert!(said.stdout == sequence(200_000), "{} bytes came", said.stdout.len());
    container.assert_gone();
}

#[test]
fn what_was_written_last_comes_even_to_a_slow_starter_that_reads_after_the_end() {
    if !possible() {
        return;
    }
    // As much as a pipe holds, and more than the socket: the end of it is still in the pipe when the container ends.
    let mut draft = Draft::attached(&["dd", "if=/bin/busybox", "bs=4096", "count=16"]);
    draft.send_buffer = Some(4096);
    let mut container = draft.start();
    eventually("the end", || container.config.folder.join("last-run").exists() && container.last_run().exit.is_some());
    let said = container.starter.listen();
    assert_eq!(said.stdout.len(), 65536);
    container.assert_gone();
}

#[test]
fn an_attached_client_that_reads_nothing_does_not_stop_the_container() {
    if !possible() {
        return;
    }
    let container = Draft::new(&["sh", "-c", "read go < /tmp/go; seq 1 100000"]);
    make_fifo(&container, "/tmp/go");
    let container = container.start();
    let mut lazy = container.connect();
    lazy.send(Kind::Attach, "");
    lazy.expect(Kind::Started);
    std::fs::write(crate::container::in_root(&container, "/tmp/go"), "now\n").unwrap();
    eventually("the end", || container.last_run().exit.is_some());
    let log = container.log();
    assert_eq!(log.last().unwrap(), "stdout F 100000");
    // What it was sent it has, but not all of it.
    let mut heard = Vec::new();
    lazy.stream.read_to_end(&mut heard).unwrap();
    assert!(heard.len() < sequence(100_000).len());
}

#[test]
fn two_clients_hear_the_same_from_when_they_came() {
    if !possible() {
        return;
    }
    let mut draft = Draft::new(&["sh", "-c", "echo before; read line; echo $line"]);
    draft.config.stdin_open = true;
    let container = draft.start();
    eventually("the first line", || container.log() == ["stdout F before"]);
    let mut clients = [container.connect(), container.connect()];
    for client in &mut clients {
        client.send(Kind::Attach, "");
        client.expect(Kind::Started);
    }
    clients[0].send(Kind::Stdin, "hello\n");
    for client in &mut clients {
        let said = client.listen();
        assert_eq!(said.stdout, b"hello\n");
        assert_eq!(said.exit.status, Some(0));
    }
    container.assert_gone();
}

#[test]
fn input_comes_whole_and_ends_when_it_is_closed() {
    if !possible() {
        return;
    }
    let mut draft = Draft::attached(&["cat"]);
    draft.config.stdin_open = true;
    let mut container = draft.start();
    let sent = sequence(100_000);
    let mut writer = container.starter.stream.try_clone().unwrap();
    let copy = sent.clone();
    let sender = std::thread::spawn(move || {
        for part in copy.chunks(50_000) {
            Frame::new(Kind::Stdin, part).write(&mut writer).unwrap();
        }
        Frame::new(Kind::CloseStdin, "").write(&mut writer).unwrap();
    });
    let said = container.starter.listen();
    sender.join().unwrap();
    assert!(said.stdout == sent, "{} bytes came", said.stdout.len());
    container.assert_gone();
}

#[test]
fn input_that_was_sent_before_the_start_is_not_lost() {
    if !possible() {
        return;
    }
    let mut draft = Draft::attached(&["cat"]);
    draft.config.stdin_open = true;
    let mut container = draft.launch();
    container.starter.send(Kind::Stdin, "early");
    container.starter.send(Kind::CloseStdin, "");
    container.starter.send(Kind::Go, "");
    container.starter.expect(Kind::Created);
    container.starter.expect(Kind::Started);
    assert_eq!(container.starter.listen().stdout, b"early");
}

#[test]
fn without_interactive_there_is_no_input() {
    if !possible() {
        return;
    }
    let mut container = Draft::attached(&["cat"]).launch();
    container.starter.send(Kind::Stdin, "nobody reads this");
    container.starter.send(Kind::Go, "");
    container.starter.expect(Kind::Created);
    container.starter.expect(Kind::Started);
    assert_eq!(container.starter.listen().stdout, b"");
}

#[test]
fn the_container_reads_its_end_when_who_typed_has_gone() {
    if !possible() {
        return;
    }
    let mut draft = Draft::attached(&["sh", "-c", "cat; echo over"]);
    draft.config.stdin_open = true;
    let mut container = draft.start();
    container.starter.stream.shutdown(std::net::Shutdown::Both).unwrap();
    container.monitor.wait().unwrap();
    assert_eq!(container.log(), ["stdout F over"]);
}

#[test]
fn a_log_that_is_limited_keeps_the_end() {
    if !possible() {
        return;
    }
    let mut draft = Draft::new(&["seq", "1", "20000"]);
    let path = draft.config.folder.join("ctr.log");
    draft.config.log = Log::K8sFile { path: path.clone(), max_size: Some(100_000) };
    let (container, _) = draft.run();
    assert_eq!(container.log().last().unwrap(), "stdout F 20000");
    assert!(std::fs::metadata(path).unwrap().len() <= 100_000);
}

#[test]
fn a_full_disk_stops_neither_the_container_nor_its_reader_and_loses_no_status() {
    if !possible() {
        return;
    }
    let draft = Draft::attached(&["sh", "-c", "seq 1 50000; exit 6"]);
    let disk = draft.config.folder.display().to_string();
    let script = r#"mount -t tmpfs -o size=128k tmpfs "$0" && exec "$@""#;
    let mut container =
        draft.launch_below(&["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, &disk]);
    // Its folder is in its own mount namespace, which goes with it; this keeps a way in.
    eventually("the monitor", || container.config.bundle.join("attach").exists());
    let root = std::fs::File::open(format!("/proc/{}/root{disk}", container.monitor.id())).unwrap();
    let inside = std::path::PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&root)));
    container.starter.send(Kind::Go, "");
    container.starter.expect(Kind::Created);
    container.starter.expect(Kind::Started);
    let said = container.starter.listen();
    assert!(said.stdout == sequence(50_000), "{} bytes came", said.stdout.len());
    let text = std::fs::read_to_string(inside.join("ctr.log")).unwrap();
    assert!(text.len() < 128 << 10 && text.ends_with('\n'));
    let whole = |line: &str| line.split(' ').count() == 4;
    assert!(text.lines().all(whole), "{:?}", text.lines().find(|line| !whole(line)));
    let last_run = haulout_monitor::last_run::LastRun::read(&inside).unwrap().unwrap();
    assert_eq!(last_run.exit.unwrap().status, Some(6));
}

#[test]
fn who_holds_the_output_open_after_the_end_is_not_waited_for() {
    if !possible() {
        return;
    }
    // A second reader of the pipe outside the container: nobody closes it.
    let mut draft = Draft::attached(&["sh", "-c", "echo $$ > /tmp/ready; echo said; read go < /tmp/go"]);
    make_fifo(&draft, "/tmp/go");
    draft.config.stdin_open = true;
    let mut container = draft.start();
    let ready = crate::container::in_root(&container, "/tmp/ready");
    eventually("the first word", || ready.exists());
    let init = haulout_monitor::process::Process::read(&container.config.bundle.join("init.pid")).unwrap();
    let held = std::fs::File::options().write(true).open(format!("/proc/{}/fd/1", init.pid));
    assert!(held.is_ok(), "{held:?}");
    std::fs::write(crate::container::in_root(&container, "/tmp/go"), "now\n").unwrap();
    let said = container.starter.listen();
    assert_eq!((said.stdout.as_slice(), said.exit.status), (b"said\n".as_slice(), Some(0)));
    drop(held);
    container.assert_gone();
}

fn make_fifo(draft: &Draft, inside: &str) {
    let root = draft.config.rootfs.as_ref().unwrap().parent().unwrap().join("rootfs");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, root.join(&inside[1..]), rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

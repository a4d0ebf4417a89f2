// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands beside the container's own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use haulout_monitor::frame::Kind;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::container::{Container, Draft, eventually, possible, processes_with, request};

/// Pipes for a command: its three ends, and ours: its input, its output, its error.
fn pipes() -> ([OwnedFd; 3], File, File, File) {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).unwrap();
    let ((input, writer), (out, output), (err, error)) = (pipe(), pipe(), pipe());
    ([input, output, error], writer.into(), out.into(), err.into())
}

fn sleeping() -> Container {
    Draft::new(&["sleep", "1000"]).start()
}

#[test]
fn a_command_has_its_own_streams_and_its_status_comes_back() {
    if !possible() {
        return;
    }
    let container = sleeping();
    let (ends, mut input, mut output, mut error) = pipes();
    let mut session =
        container.exec(&request(&["sh", "-c", "cat; echo err >&2; exit 5"]), &ends.each_ref().map(OwnedFd::as_fd));
    drop(ends);
    input.write_all(b"through and through").unwrap();
    drop(input);
    let pid: i32 = session.expect(Kind::ExecStarted).parse().unwrap();
    assert!(pid > 1);
    let (mut out, mut err) = (String::new(), String::new());
    output.read_to_string(&mut out).unwrap();
    error.read_to_string(&mut err).unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("through and through", "err\n"));
    assert_eq!(session.expect(Kind::ExecExited), "5");
    assert!(session.next().is_none());
    assert_eq!(container.events(), ["init", "start", "exec", "exec_died 5"]);
    assert_eq!(container.log(), Vec::<String>::new());
}

#[test]
fn a_command_that_cannot_be_run_fails_in_podmans_words() {
    if !possible() {
        return;
    }
    let container = sleeping();
    for (command, status, words) in [
        ("nosuch", 127, "OCI runtime attempted to invoke a command that was not found"),
        ("/etc/passwd", 126, "OCI permission denied"),
    ] {
        let failure = container.exec(&request(&[command]), &[]).expect_failure();
        assert_eq!(failure.status, status, "{failure:?}");
        assert!(failure.message.starts_with("crun: ") && failure.message.ends_with(words), "{failure:?}");
    }
    let mut nobody = request(&["true"]);
    nobody.user = Some("nobody-here".into());
    let failure = container.exec(&nobody, &[]).expect_failure();
    assert_eq!(failure.status, 255);
    assert_eq!(failure.message, "unable to find user nobody-here: no matching entries in passwd file");
    let left: Vec<_> =
        std::fs::read_dir(&container.config.bundle).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("exec-")), "{left:?}");
}

#[test]
fn a_user_is_looked_up_in_the_container_and_has_its_home() {
    if !possible() {
        return;
    }
    let container = sleeping();
    let (ends, _input, mut output, _error) = pipes();
    let mut by_name = request(&["sh", "-c", "id -u; id -g; echo $HOME"]);
    by_name.user = Some("root".into());
    let mut session = container.exec(&by_name, &ends.each_ref().map(OwnedFd::as_fd));
    drop(ends);
    session.expect(Kind::ExecStarted);
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(text, "0\n0\n/root\n");
}

#[test]
fn a_command_that_is_left_alone_goes_on() {
    if !possible() {
        return;
    }
    let container = sleeping();
    let mut session = container.exec(&request(&["sh", "-c", "sleep 2; echo done > /tmp/mark"]), &[]);
    session.expect(Kind::ExecStarted);
    drop(session);
    let mark = crate::container::in_root(&container, "/tmp/mark");
    eventually("its work", || mark.exists());
    eventually("its event", || container.events().contains(&"exec_died 0".to_owned()));
}

#[test]
fn a_command_with_a_terminal_gets_it_with_its_size_and_goes_on_when_the_client_goes() {
    if !possible() {
        return;
    }
    let container = sleeping();
    // crun sets the size while the command begins; who comes first is told of the change by SIGWINCH.
    let mut with_terminal = request(&["sh", "-c", "sleep 0.2; stty size; sleep 1234567"]);
    with_terminal.terminal = true;
    with_terminal.size = Some((132, 43));
    let session = container.exec(&with_terminal, &[]);
    let (kind, mut terminal) = receive_descriptor(&session);
    assert_eq!(kind, Kind::ExecStarted as u8);
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with('\n') {
        match terminal.read(&mut byte) {
            Ok(1) => text.push(byte[0].into()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
            other => panic!("{other:?} after {text:?}"),
        }
    }
    assert_eq!(text, "43 132\r\n");
    drop((session, terminal));
    // It would have got SIGHUP by now.
    let mut after = container.exec(&request(&["sleep", "0.3"]), &[]);
    after.expect(Kind::ExecStarted);
    after.expect(Kind::ExecExited);
    assert_ne!(processes_with("sleep 1234567"), Vec::<String>::new());
}

#[test]
fn a_command_ends_with_its_container() {
    if !possible() {
        return;
    }
    let container = sleeping();
    let mut session = container.exec(&request(&["sleep", "1000"]), &[]);
    session.expect(Kind::ExecStarted);
    let mut visitor = container.connect();
    visitor.send(Kind::Signal, "9");
    visitor.expect(Kind::Done);
    assert_eq!(session.expect(Kind::ExecExited), "137");
    container.assert_gone();
}

#[test]
fn a_file_or_a_folder_of_the_hosts_does_not_get_in() {
    if !possible() {
        return;
    }
    let container = sleeping();
    for path in ["/etc/passwd", "/etc"] {
        let file = File::open(path).unwrap();
        let failure = container.exec(&request(&["cat"]), &[file.as_fd()]).expect_failure();
        assert_eq!(failure.message, "the command's standard input must be a pipe, a socket or /dev/null");
    }
}

#[test]
fn two_hundred_commands_at_once_end_each_with_its_own_status() {
    if !possible() {
        return;
    }
    let container = sleeping();
    let sessions: Vec<_> = (0..200)
        .map(|number| (number, container.exec(&request(&["sh", "-c", &format!("exit {}", number % 100)]), &[])))
        .collect();
    for (number, mut session) in sessions {
        session.expect(Kind::ExecStarted);
        assert_eq!(session.expect(Kind::ExecExited), (number % 100).to_string());
    }
}

/// The next frame's kind, and the descriptor that comes with it.
fn receive_descriptor(session: &crate::container::Connection) -> (u8, File) {
    use std::mem::MaybeUninit;

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 64];
    rustix::net::recvmsg(
        &session.stream,
        &mut [std::io::IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::empty(),
    )
    .unwrap();
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    (bytes[0], descriptor.expect("no descriptor came").into())
}

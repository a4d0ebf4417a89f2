// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Containers with a terminal.

use haulout_monitor::frame::{Frame, Kind};

use crate::container::{Draft, possible};

/// A shell that does not edit its line, which would take what is typed too early for the terminal's answers.
const SHELL: [&str; 3] = ["sh", "-c", "while read line; do eval \"$line\"; done"];

fn with_terminal(command: &[&str]) -> Draft {
    let mut draft = Draft::attached(command);
    draft.config.terminal = true;
    draft.config.stdin_open = true;
    draft.config.terminal_size = Some((100, 30));
    draft
}

#[test]
fn a_terminal_has_its_size_from_the_first_moment_and_carries_everything_on_one_stream() {
    if !possible() {
        return;
    }
    let (container, said) = with_terminal(&["sh", "-c", "tty; stty size; echo err >&2; exit 2"]).run();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "/dev/pts/0\r\n30 100\r\nerr\r\n");
    assert_eq!(said.exit.status, Some(2));
    assert_eq!(container.log()[1], "stdout F 30 100\r");
    container.assert_gone();
}

#[test]
fn what_is_typed_arrives_and_a_new_size_is_seen() {
    if !possible() {
        return;
    }
    let mut container = with_terminal(&SHELL).start();
    container.starter.send_frame(&Frame::resize(55, 22));
    container.starter.send(Kind::Stdin, "stty size\n");
    container.starter.listen_for("22 55\r\n");
    // Ctrl-D at the beginning of a line is the end.
    container.starter.send(Kind::Stdin, "\x04");
    assert_eq!(container.starter.listen().exit.status, Some(0));
    container.assert_gone();
}

#[test]
fn a_terminal_stays_when_everyone_has_gone_and_another_may_come() {
    if !possible() {
        return;
    }
    let mut container = with_terminal(&SHELL).start();
    container.starter.send(Kind::Stdin, "x=kept\n");
    container.starter.listen_for("\n");
    container.starter.stream.shutdown(std::net::Shutdown::Both).unwrap();
    let mut other = container.connect();
    other.send(Kind::Attach, "");
    other.expect(Kind::Started);
    other.send(Kind::Stdin, "echo $x $x\n");
    other.listen_for("kept kept\r\n");
    other.send(Kind::Stdin, "exit 9\n");
    assert_eq!(other.listen().exit.status, Some(9));
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A process in a container on the user's own terminal or pipes: what a foreground `run`, `start -a`, `attach` and `exec` share.

use std::io::{self, Read as _, Write as _};

use anyhow::Result;
use bytes::Bytes;
use haulout_engine::container::{ContainerId, Containers, Input, Output, Session};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::exit::{Failure, os_words};
use crate::terminal::{self, DetachKeys};

/// Which streams are connected, and how.
pub struct Wiring {
    /// Whether what the user types goes to the process.
    pub stdin: bool,
    /// Whether its standard output is shown.
    pub stdout: bool,
    /// Whether its standard error is shown.
    pub stderr: bool,
    /// Whether the process has a terminal.
    pub terminal: bool,
    /// What ends the conversation but not the process.
    pub detach: DetachKeys,
    /// Whom signals are passed on to.
    pub proxy: Option<(Containers, ContainerId)>,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The process ended; nothing when nobody saw how.
    Exited(Option<i32>),
    /// The user detached.
    Detached,
}

/// Carries bytes both ways until the process ends or the user detaches.
pub async fn converse(session: Session, mut wiring: Wiring) -> Result<End> {
    let raw = match (wiring.terminal, wiring.stdin) {
        (true, true) => terminal::raw()?,
        (true, false) => terminal::verbatim()?,
        (false, _) => None,
    };
    let input = session.input();
    let mut resized =
        (wiring.terminal && terminal::size().is_some()).then(|| signal(SignalKind::window_change())).transpose()?;
    let mut signals = wiring.proxy.is_some().then(proxied).transpose()?.unwrap_or_default();
    let (typed_to, mut typed) = mpsc::channel(8);
    if wiring.stdin {
        std::thread::spawn(move || read_input(&typed_to));
    } else {
        drop(typed_to);
        input.close().await;
    }
    let mut reading = wiring.stdin;
    let mut output = tokio::spawn(show(session, wiring.stdout, wiring.stderr));
    let end = loop {
        tokio::select! {
            end = &mut output => break end?.map(End::Exited),
            chunk = typed.recv(), if reading => if let Some(bytes) = chunk {
                let (passed, detached) = if wiring.terminal { wiring.detach.feed(&bytes) } else { (bytes, false) };
                if !passed.is_empty() && !input.send(passed.into()).await {
                    reading = false;
                }
                if detached {
                    break Ok(End::Detached);
                }
            } else {
                reading = false;
                input.close().await;
            },
            () = received(&mut resized) => resize(&input).await,
            number = any(&mut signals) => if let Some((containers, id)) = &wiring.proxy {
                // It may have ended meanwhile; then its exit is on the way.
                let _ = containers.kill(id, number).await;
            },
        }
    };
    output.abort();
    drop(raw);
    end
}

async fn resize(input: &Input) {
    if let Some((columns, rows)) = terminal::size() {
        input.resize(columns, rows).await;
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// The signals that are passed on: all but those that cannot be caught, and those that are about this process itself.
fn proxied() -> io::Result<Vec<(i32, Signal)>> {
    use nix::sys::signal::Signal as S;
    let named = [
        S::SIGHUP,
        S::SIGINT,
        S::SIGQUIT,
        S::SIGTERM,
        S::SIGUSR1,
        S::SIGUSR2,
        S::SIGALRM,
        S::SIGVTALRM,
        S::SIGPROF,
        S::SIGIO,
        S::SIGPWR,
        S::SIGCONT,
        S::SIGTSTP,
        S::SIGXCPU,
        S::SIGXFSZ,
    ];
    let numbers = named.into_iter().map(|signal| signal as i32).chain(34..=64);
    numbers.map(|number| Ok((number, signal(SignalKind::from_raw(number))?))).collect()
}

/// The number of the next signal.
async fn any(signals: &mut [(i32, Signal)]) -> i32 {
    std::future::poll_fn(|context| {
        for (number, signal) in signals.iter_mut() {
            if signal.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*number);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Reads standard input until it ends or nobody listens any more. A thread of its own, because a file or a terminal cannot be
/// waited for in another way.
fn read_input(to: &mpsc::Sender<Vec<u8>>) {
    let mut stdin = io::stdin().lock();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                if to.blocking_send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// Writes what comes from the process until it ends. A thread of its own writes: a terminal that is stopped must not stop
/// signals.
async fn show(mut session: Session, stdout: bool, stderr: bool) -> Result<Option<i32>> {
    let mut writer = None;
    let mut status = None;
    while let Some(output) = session.next().await {
        let chunk = match output? {
            Output::Exited(exit) => {
                status = exit.status;
                break;
            }
            Output::Stdout(bytes) if stdout => (1, bytes),
            Output::Stderr(bytes) if stderr => (2, bytes),
            Output::Started(_) | Output::Stdout(_) | Output::Stderr(_) => continue,
        };
        let (to, _) = writer.get_or_insert_with(start_writer);
        if to.send(chunk).await.is_err() {
            break;
        }
    }
    if let Some((to, ended)) = writer {
        drop(to);
        ended.await??;
    }
    Ok(status)
}

type Chunk = (i32, Bytes);

fn start_writer() -> (mpsc::Sender<Chunk>, oneshot::Receiver<Result<()>>) {
    let (to, from) = mpsc::channel(8);
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || end.send(write_output(from)));
    (to, ended)
}

fn write_output(mut from: mpsc::Receiver<Chunk>) -> Result<()> {
    while let Some((descriptor, bytes)) = from.blocking_recv() {
        let (written, name) = if descriptor == 1 {
            let mut stdout = io::stdout().lock();
            (stdout.write_all(&bytes).and_then(|()| stdout.flush()), "stdout")
        } else {
            (io::stderr().lock().write_all(&bytes), "stderr")
        };
        written
            .map_err(|error| Failure { status: 126, message: format!("write /dev/{name}: {}", os_words(&error)) })?;
    }
    Ok(())
}

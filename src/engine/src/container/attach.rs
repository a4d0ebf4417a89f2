// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Carrying bytes between a session and a monitor.

use std::time::Duration;

use bytes::Bytes;
use haulout_monitor::frame::{Frame, Kind};
use haulout_monitor::last_run::Exit;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::connection::{self, Receiver, Sender};
use super::launch::{Launched, failure};
use super::prepare::Attach;
use super::session::Request;
use super::{ContainerId, Containers, Output, Session};
use crate::engine::Error;

/// How long the end of the connection may be waited for after the container's.
const CLOSING: Duration = Duration::from_secs(5);

/// So much waits for who reads slowly: frames of at most 64 KiB.
const WAITING: usize = 16;

impl Containers {
    pub(super) async fn launch_attached(&self, id: &ContainerId, size: Option<(u16, u16)>) -> Result<Session, Error> {
        loop {
            if let Some(launched) = self.launch(id, Attach { attached: true, size, ..Attach::default() }, None).await? {
                return Ok(self.session_of(launched));
            }
            // It ran already: then this is an attach, unless it has just ended.
            match self.connect_attached(id).await {
                Err(Error::WrongState(_)) => {}
                attached => return attached,
            }
        }
    }

    fn session_of(&self, launched: Launched) -> Session {
        let Launched { record, receiver, sender, pid } = launched;
        let containers = self.clone();
        let last = sender.clone();
        let ended = async move |exit: Exit| {
            if record.options.remove {
                match containers.remove_ended(&record.id).await {
                    Ok(()) => drop(last.send(Kind::Removed, &[]).await),
                    Err(error) => return Err(error),
                }
            }
            Ok(exit)
        };
        carry(pid, receiver, sender, ended)
    }

    pub(super) async fn connect_attached(&self, id: &ContainerId) -> Result<Session, Error> {
        let not_running =
            || Error::WrongState(format!("attaching to container {id}: you can only attach to running containers"));
        let failed = |source| Error::Io { doing: format!("attaching to container {id}"), source };
        let connected = connection::connect(&self.engine.paths().bundle(id)).await.map_err(failed)?;
        let Some((mut receiver, sender)) = connected else { return Err(not_running()) };
        sender.send(Kind::Attach, &[]).await.map_err(failed)?;
        match receiver.next().await.map_err(failed)? {
            Some((Kind::Started, pid)) => {
                let pid = std::str::from_utf8(&pid).ok().and_then(|pid| pid.parse().ok()).unwrap_or_default();
                Ok(carry(pid, receiver, sender, async |exit: Exit| Ok(exit)))
            }
            Some((Kind::Failed, payload)) => Err(failure(&payload)),
            _ => Err(not_running()),
        }
    }
}

/// A session over a connection. When the container has ended, `ended` is done before the session says so.
fn carry<F, R>(pid: i32, receiver: Receiver, sender: Sender, ended: F) -> Session
where
    F: FnOnce(Exit) -> R + Send + 'static,
    R: Future<Output = Result<Exit, Error>> + Send,
{
    let (outputs, for_session) = mpsc::channel(WAITING);
    let (for_input, requests) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        if outputs.send(Ok(Output::Started(pid))).await.is_err() {
            return;
        }
        // Apart from the output: who does not read its input must not stop its output.
        let input = tokio::spawn(send_input(sender, requests));
        tokio::select! {
            () = pass_output(receiver, &outputs, ended) => {}
            // Nobody listens any more: detached.
            () = outputs.closed() => {}
        }
        input.abort();
    });
    Session::new(for_session, for_input)
}

async fn send_input(sender: Sender, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        let sent = match request {
            Request::Bytes(bytes) => sender.send(Kind::Stdin, &bytes).await,
            Request::Close => sender.send(Kind::CloseStdin, &[]).await,
            Request::Resize(columns, rows) => sender.send(Kind::Resize, &Frame::resize(columns, rows).payload).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn pass_output<F, R>(mut receiver: Receiver, outputs: &mpsc::Sender<Result<Output, Error>>, ended: F)
where
    F: FnOnce(Exit) -> R,
    R: Future<Output = Result<Exit, Error>>,
{
    loop {
        let output = match receiver.next().await {
            Ok(Some((Kind::Stdout, bytes))) => Ok(Output::Stdout(bytes)),
            Ok(Some((Kind::Stderr, bytes))) => Ok(Output::Stderr(bytes)),
            Ok(Some((Kind::Exited, payload))) => {
                let exit = match exit(&payload) {
                    Ok(exit) => ended(exit).await,
                    Err(error) => Err(error),
                };
                // The monitor closes when everything is given back.
                let _ = timeout(CLOSING, async { while let Ok(Some(_)) = receiver.next().await {} }).await;
                let _ = outputs.send(exit.map(Output::Exited)).await;
                return;
            }
            Ok(Some((Kind::Failed, payload))) => Err(failure(&payload)),
            Ok(Some(_)) => continue,
            // The monitor is gone, without a word.
            Ok(None) => return,
            Err(source) => Err(Error::Io { doing: "reading from a container's monitor".to_owned(), source }),
        };
        let over = output.is_err();
        if outputs.send(output).await.is_err() || over {
            return;
        }
    }
}

/// How a container ended, as its monitor says it.
pub(super) fn exit(payload: &Bytes) -> Result<Exit, Error> {
    serde_json::from_slice(payload)
        .map_err(|error| Error::Invalid(format!("the monitor told an end that is none: {error}")))
}

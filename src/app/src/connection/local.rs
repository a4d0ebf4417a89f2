// SPDX-License-Identifier: GPL-3.0-or-later
//! The engine in this process, for the user who runs it.

use std::cell::RefCell;
use std::future::Future;
use std::str::FromStr;

use futures_util::{Stream, StreamExt as _};
use haulout_engine::container::{self, ContainerId};
use haulout_engine::image::PullOptions;
use haulout_engine::step::Steps;
use haulout_engine::{Engine, Error, Paths};
use relm4::gtk::glib;
use relm4::tokio::runtime::Handle;

use super::convert::{
    change, container_in_list, defaults, details, image_in_list, log_line, missing, options, pull_progress,
};
use super::{
    Action, Change, Checked, Connection, Container, Defaults, Details, Draft, Exec, Failure, Flow, Image, Input,
    LogLine, Missing, Output, PastBoot, PastUpdate, Period, Pull, Reason, Reply, Request, Session, UnitAction,
    UnitText, UnitWrite, Units, UpdateStep, UpdateWork, Updates, draft, units, updates, worker,
};

/// How many items of a flow may wait before its maker does.
const ROOM: usize = 64;
/// How many lines of a log travel together at most.
const LINES: usize = 512;
/// SIGKILL, as signal(7) numbers it everywhere.
const SIGKILL: i32 = 9;

/// The engine of this user, in this process.
pub struct Local {
    paths: Paths,
    /// Opened anew when the worker is gone.
    engine: RefCell<Option<Engine>>,
    /// Where the engine lives.
    runtime: Handle,
}

impl Local {
    /// Over what the environment names.
    pub fn open() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        relm4::spawn(async move { sender.send(Handle::current()) });
        let runtime = receiver.recv().unwrap_or_else(|_| unreachable!("relm4's runtime runs what is spawned on it"));
        Self { paths: Paths::found(), engine: RefCell::default(), runtime }
    }

    /// The engine, and a worker for it.
    fn engine(&self) -> Engine {
        // That the worker has ended is seen here, not waited for: what fails with it may be tried again at once.
        if let Some(engine) = self.engine.borrow().as_ref().filter(|engine| !engine.has_lost_steps()) {
            return engine.clone();
        }
        let steps = match worker::start() {
            Ok(socket) => {
                // The socket has to be met by the runtime that is going to wait on it.
                let _inside = self.runtime.enter();
                Some(Steps::over(socket))
            }
            Err(error) => {
                glib::g_warning!("haulout", "starting the worker: {error}");
                None
            }
        };
        let engine = Engine::open(self.paths.clone(), steps);
        self.engine.replace(Some(engine.clone()));
        engine
    }

    /// Does `work` on the engine's runtime.
    fn ask<T, F>(&self, work: impl FnOnce(Engine) -> F) -> Reply<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let work = relm4::spawn(work(self.engine()));
        Box::pin(async move {
            match work.await {
                Ok(answer) => answer.map_err(Failure::from),
                Err(error) => Err(Failure { reason: Reason::Other, details: vec![error.to_string()] }),
            }
        })
    }

    /// The same, about one container.
    fn ask_container<T, F>(&self, id: &str, work: impl FnOnce(Engine, ContainerId) -> F) -> Reply<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        match ContainerId::from_str(id) {
            Ok(id) => self.ask(|engine| work(engine, id)),
            Err(error) => refused(error.to_string()),
        }
    }
}

impl Connection for Local {
    fn containers(&self) -> Reply<Vec<Container>> {
        self.ask(
            |engine| async move { Ok(engine.containers().list().await?.into_iter().map(container_in_list).collect()) },
        )
    }

    fn container(&self, id: &str) -> Reply<Option<Container>> {
        self.ask_container(id, |engine, id| async move {
            match engine.containers().inspect(&id).await {
                Ok(found) => Ok(Some(container_in_list(found.summary))),
                Err(Error::NoSuchContainer(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn details(&self, id: &str) -> Reply<Details> {
        self.ask_container(id, |engine, id| async move { Ok(details(engine.containers().inspect(&id).await?)) })
    }

    fn images(&self) -> Reply<Vec<Image>> {
        self.ask(|engine| async move { Ok(engine.images().list().await?.into_iter().map(image_in_list).collect()) })
    }

    fn defaults(&self, image: &str) -> Reply<Option<Defaults>> {
        let image = image.to_owned();
        self.ask(|engine| async move {
            match engine.images().inspect(&image).await {
                Ok(found) => Ok(Some(defaults(&found.config))),
                Err(Error::NoSuchImage(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn changes(&self) -> Flow<Change> {
        let engine = self.engine();
        // From this very moment, not from when the runtime gets to it: what comes between a list and its following
        // would be lost.
        let since = glib::real_time().saturating_mul(1000);
        Flow::of(ROOM, |sender| async move {
            let mut events = engine.events(Some(since));
            while let Some(event) = events.next().await {
                let item = match event {
                    Ok(event) => match change(event) {
                        Some(change) => Ok(change),
                        None => continue,
                    },
                    Err(error) => Err(error.into()),
                };
                if sender.send(item).await.is_err() {
                    break;
                }
            }
        })
    }

    fn missing(&self) -> Reply<Vec<Missing>> {
        let look = self.runtime.spawn_blocking(haulout_engine::host::missing);
        Box::pin(async move {
            let found =
                look.await.map_err(|error| Failure { reason: Reason::Other, details: vec![error.to_string()] })?;
            Ok(found.into_iter().map(missing).collect())
        })
    }

    fn act(&self, id: &str, action: Action) -> Reply<()> {
        self.ask_container(id, move |engine, id| async move {
            let containers = engine.containers();
            match action {
                Action::Start => containers.start(&id).await,
                Action::Stop => containers.stop(&id, None).await,
                Action::Restart => {
                    containers.stop(&id, None).await?;
                    containers.start(&id).await
                }
                Action::Kill => containers.kill(&id, SIGKILL).await,
                Action::Remove => {
                    let options = container::RemoveOptions { force: true, volumes: true, timeout: None };
                    containers.remove(&id, options).await
                }
            }
        })
    }

    fn create(&self, request: Request) -> Reply<String> {
        match options(request) {
            Ok(options) => self.ask(|engine| async move { Ok(engine.containers().create(options).await?.to_string()) }),
            Err(why) => refused(why),
        }
    }

    fn pull(&self, name: &str) -> Flow<Pull> {
        let (engine, name) = (self.engine(), name.to_owned());
        Flow::of(ROOM, |sender| async move {
            let mut progress = engine.images().pull(&name, PullOptions::default());
            while let Some(step) = progress.next().await {
                if sender.send(step.map(pull_progress).map_err(Failure::from)).await.is_err() {
                    break;
                }
            }
        })
    }

    fn remove_image(&self, image: &str) -> Reply<()> {
        let image = image.to_owned();
        self.ask(|engine| async move { engine.images().remove(&image, false).await.map(drop) })
    }

    fn tag(&self, image: &str, name: &str) -> Reply<()> {
        let (image, name) = (image.to_owned(), name.to_owned());
        self.ask(|engine| async move { engine.images().tag(&image, &name).await })
    }

    fn logs(&self, id: &str, tail: usize) -> Flow<Vec<LogLine>> {
        let engine = self.engine();
        let id = ContainerId::from_str(id);
        Flow::of(ROOM, move |sender| async move {
            let id = match id {
                Ok(id) => id,
                Err(error) => {
                    let _ = sender.send(Err(invalid(error.to_string()))).await;
                    return;
                }
            };
            let options = container::LogOptions { follow: true, tail: Some(tail), since: None, until: None };
            send_lines(engine.containers().logs(&id, options), sender).await;
        })
    }

    fn exec(&self, id: &str, exec: Exec) -> Reply<Session> {
        let session = self.ask_container(id, move |engine, id| async move {
            let exec = container::Exec {
                command: exec.command,
                env: vec![("TERM".to_owned(), "xterm-256color".to_owned())],
                user: exec.user,
                terminal: true,
                interactive: true,
                size: Some(exec.size),
                ..Default::default()
            };
            engine.containers().exec(&id, exec).await
        });
        Box::pin(async move { session.await.map(carry) })
    }

    fn attach(&self, id: &str) -> Reply<Session> {
        let session = self.ask_container(id, |engine, id| async move { engine.containers().attach(&id).await });
        Box::pin(async move { session.await.map(carry) })
    }

    fn units(&self) -> Reply<Units> {
        elsewhere(units::list())
    }

    fn unit_changes(&self) -> Flow<()> {
        Flow::of(1, units::changes)
    }

    fn unit_text(&self, name: &str) -> Reply<UnitText> {
        elsewhere(units::text(name.to_owned()))
    }

    fn check_unit(&self, name: &str, text: &str) -> Reply<Checked> {
        elsewhere(units::check(name.to_owned(), text.to_owned()))
    }

    fn write_unit(&self, write: UnitWrite) -> Reply<()> {
        elsewhere(units::write(write))
    }

    fn remove_unit(&self, name: &str, text: &str) -> Reply<()> {
        elsewhere(units::remove(name.to_owned(), text.to_owned()))
    }

    fn act_on_unit(&self, service: &str, action: UnitAction) -> Reply<()> {
        elsewhere(units::act(service.to_owned(), action))
    }

    fn start_at_boot(&self, on: bool) -> Reply<()> {
        elsewhere(units::start_at_boot(on))
    }

    fn journal(&self, service: &str, tail: usize, period: &Period) -> Flow<Vec<LogLine>> {
        let (service, period) = (service.to_owned(), period.clone());
        Flow::of(
            ROOM,
            move |sender| async move { send_lines(units::journal(&service, tail, period).await, sender).await },
        )
    }

    fn boots(&self) -> Reply<Vec<PastBoot>> {
        elsewhere(units::boots())
    }

    fn draft_unit(&self, id: &str) -> Reply<Draft> {
        match ContainerId::from_str(id) {
            Ok(id) => elsewhere(draft::of(id)),
            Err(error) => refused(error.to_string()),
        }
    }

    fn updates(&self) -> Reply<Updates> {
        elsewhere(updates::list(self.engine()))
    }

    fn update_changes(&self) -> Flow<()> {
        let (engine, since) = (self.engine(), glib::real_time().saturating_mul(1000));
        Flow::of(1, move |sender| updates::changes(engine, since, sender))
    }

    fn run_updates(&self, work: UpdateWork) -> Flow<UpdateStep> {
        let engine = self.engine();
        Flow::of(ROOM, move |sender| updates::run(engine, work, sender))
    }

    fn hold(&self, unit: &str, until: Option<i64>) -> Reply<()> {
        let unit = unit.to_owned();
        self.ask(move |engine| updates::hold(engine, unit, until))
    }

    fn release(&self, unit: &str) -> Reply<()> {
        let unit = unit.to_owned();
        self.ask(|engine| async move { engine.updates().release(&unit).await.map(drop) })
    }

    fn update_by_itself(&self, on: bool) -> Reply<()> {
        elsewhere(updates::by_itself(on))
    }

    fn unseen_updates(&self) -> Reply<Vec<PastUpdate>> {
        self.ask(updates::unseen)
    }

    fn see_updates(&self) -> Reply<()> {
        self.ask(updates::seen)
    }
}

/// Does `work` on the runtime.
fn elsewhere<T: Send + 'static>(work: impl Future<Output = Result<T, Failure>> + Send + 'static) -> Reply<T> {
    let work = relm4::spawn(work);
    Box::pin(async move {
        work.await.unwrap_or_else(|error| Err(Failure { reason: Reason::Other, details: vec![error.to_string()] }))
    })
}

/// Sends the lines of a log as they come, those that are here together.
async fn send_lines(
    lines: impl Stream<Item = Result<container::LogLine, Error>> + Send + Unpin,
    sender: async_channel::Sender<Result<Vec<LogLine>, Failure>>,
) {
    let mut lines = lines.ready_chunks(LINES);
    while let Some(chunk) = lines.next().await {
        let chunk: Result<Vec<LogLine>, Error> =
            chunk.into_iter().map(|line| line.map(|line| log_line(&line))).collect();
        if sender.send(chunk.map_err(Failure::from)).await.is_err() {
            break;
        }
    }
}

/// Carries an engine's session over to GTK's main loop.
fn carry(mut session: container::Session) -> Session {
    let (input, requests) = async_channel::unbounded();
    let process = session.input();
    relm4::spawn(async move {
        while let Ok(request) = requests.recv().await {
            let taken = match request {
                Input::Bytes(bytes) => process.send(bytes.into()).await,
                Input::Resize(columns, rows) => process.resize(columns, rows).await,
            };
            if !taken {
                break;
            }
        }
    });
    let output = Flow::of(ROOM, |sender| async move {
        while let Some(output) = session.next().await {
            let item = match output {
                Ok(container::Output::Started(_)) => continue,
                Ok(container::Output::Stdout(bytes) | container::Output::Stderr(bytes)) => {
                    Ok(Output::Bytes(bytes.to_vec()))
                }
                Ok(container::Output::Exited(exit)) => Ok(Output::Exited(exit.status)),
                Err(error) => Err(error.into()),
            };
            if sender.send(item).await.is_err() {
                break;
            }
        }
    });
    Session { output, input }
}

fn invalid(why: String) -> Failure {
    Failure { reason: Reason::Invalid, details: vec![why] }
}

fn refused<T: 'static>(why: String) -> Reply<T> {
    Box::pin(std::future::ready(Err(invalid(why))))
}

// SPDX-License-Identifier: GPL-3.0-or-later
//! Made-up containers, to look at pages without an engine. Only in builds with the feature `preview`.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use relm4::tokio::time::sleep;

use super::{
    Action, Activity, Boot, Change, Checked, Connection, Container, Defaults, Details, Draft, Exec, Failure, Flow,
    Image, LogLine, Maker, Missing, Mount, MountKind, Network, Output, PastBoot, PastUpdate, Period, Piece, Port,
    Problem, Protocol, Pull, Reason, Reply, Request, Schedule, Session, Standing, State, Unit, UnitAction, UnitKind,
    UnitText, UnitWrite, Units, Update, UpdateOutcome, UpdatePolicy, UpdateStep, UpdateWork, Updates, Version,
};
use crate::measure::now;

/// What is made up.
pub struct Preview {
    kind: String,
    containers: RefCell<Vec<Container>>,
    told: async_channel::Sender<Change>,
    changes: async_channel::Receiver<Change>,
}

const IMAGES: [(&str, u64); 7] = [
    ("docker.io/library/nginx:latest", 187_000_000),
    ("docker.io/library/postgres:17", 438_000_000),
    ("docker.io/library/redis:7-alpine", 41_000_000),
    ("docker.io/grafana/grafana:11.2.0", 462_000_000),
    ("quay.io/prometheus/prometheus:v2.54.1", 271_000_000),
    ("registry.fedoraproject.org/fedora-toolbox:42", 1_900_000_000),
    ("localhost/notes:latest", 92_000_000),
];

impl Preview {
    /// As `HAULOUT_PREVIEW` says: `full`, `empty`, `failed`, `missing`, or a number of containers.
    pub fn from_environment() -> Option<Self> {
        let kind = std::env::var("HAULOUT_PREVIEW").ok()?;
        let (told, changes) = async_channel::unbounded();
        let containers = match kind.parse::<usize>() {
            Ok(count) => (0..count).map(|number| made_up(number, &format!("worker-{number}"))).collect(),
            Err(_) if kind == "empty" => Vec::new(),
            Err(_) => [
                "web",
                "database",
                "cache",
                "dashboard",
                "metrics",
                "toolbox",
                "notes",
                "notes-backup",
                "a-container-with-a-rather-long-name",
            ]
            .iter()
            .enumerate()
            .map(|(number, name)| made_up(number, name))
            .collect(),
        };
        Some(Self { kind, containers: RefCell::new(containers), told, changes })
    }
}

fn made_up(number: usize, name: &str) -> Container {
    let image = IMAGES[number % IMAGES.len()];
    let state = match number % 9 {
        4 => State::Exited { status: Some(1), finished: now() - 4000, out_of_memory: false },
        6 => State::Exited { status: Some(0), finished: now() - 90_000, out_of_memory: false },
        7 => State::Created,
        8 => State::Exited { status: None, finished: now() - 90, out_of_memory: false },
        _ => State::Running { since: Some(now() - 600) },
    };
    let port = |host, container| Port { address: None, host: Some(host), container, count: 1, protocol: Protocol::Tcp };
    let ports = match number % 7 {
        0 => vec![port(8080, 80), port(8443, 443)],
        1 => vec![Port { address: Some("127.0.0.1".into()), ..port(5432, 5432) }],
        3 => vec![port(3000, 3000)],
        _ => Vec::new(),
    };
    let age = [120, 4000, 86_400, 200_000, 900_000][number % 5];
    Container {
        id: format!("{number:064x}"),
        name: name.to_owned(),
        image: image.0.to_owned(),
        image_id: format!("sha256:{:064x}", number % IMAGES.len()),
        state,
        ports,
        created: now() - age,
        command: ["nginx", "-g", "daemon off;"].map(str::to_owned).to_vec(),
        terminal: number == 5,
    }
}

fn ready<T: 'static>(answer: Result<T, Failure>) -> Reply<T> {
    Box::pin(std::future::ready(answer))
}

fn failure() -> Failure {
    Failure {
        reason: Reason::System,
        details: vec![
            "opening /home/sam/.local/share/containers/haulout/state.db".into(),
            "Permission denied (os error 13)".into(),
        ],
    }
}

impl Connection for Preview {
    fn containers(&self) -> Reply<Vec<Container>> {
        ready(if self.kind == "failed" { Err(failure()) } else { Ok(self.containers.borrow().clone()) })
    }

    fn container(&self, id: &str) -> Reply<Option<Container>> {
        ready(Ok(self.containers.borrow().iter().find(|container| container.id == id).cloned()))
    }

    fn details(&self, id: &str) -> Reply<Details> {
        let Some(container) = self.containers.borrow().iter().find(|container| container.id == id).cloned() else {
            return ready(Err(failure()));
        };
        let mount = |kind, source: &str, destination: &str, writable| Mount {
            kind,
            source: source.into(),
            destination: destination.into(),
            writable,
        };
        ready(Ok(Details {
            pid: container.state.is_running().then_some(4711),
            container,
            user: None,
            workdir: Some("/usr/share/nginx".into()),
            hostname: Some("5f2c81b0a9d4".into()),
            env: vec![
                ("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()),
                ("NGINX_VERSION".into(), "1.27.1".into()),
                ("LANG".into(), "C.UTF-8".into()),
            ],
            mounts: vec![
                mount(MountKind::Folder, "/home/sam/Sites/notes", "/usr/share/nginx/html", false),
                mount(MountKind::Volume, "cache", "/var/cache/nginx", true),
                mount(MountKind::Memory, "", "/run", true),
            ],
            uid_map: vec![(0, 1000, 1), (1, 100_000, 65536)],
            gid_map: vec![(0, 1000, 1), (1, 100_000, 65536)],
            network: Network::Private,
            remove: false,
        }))
    }

    fn images(&self) -> Reply<Vec<Image>> {
        let images = IMAGES.iter().enumerate().map(|(number, (name, size))| Image {
            id: format!("sha256:{number:064x}"),
            names: vec![(*name).to_owned()],
            created: now() - 86_400 * i64::try_from(number * number * 9 + 3).unwrap_or(0),
            size: *size,
        });
        ready(Ok(if self.kind == "empty" { Vec::new() } else { images.collect() }))
    }

    fn defaults(&self, image: &str) -> Reply<Option<Defaults>> {
        let known = image.starts_with("sha256") || IMAGES.iter().any(|(name, _)| *name == image);
        ready(Ok(known.then(|| Defaults {
            entrypoint: vec!["/docker-entrypoint.sh".into()],
            command: ["nginx", "-g", "daemon off;"].map(str::to_owned).to_vec(),
            ports: vec![(80, Protocol::Tcp)],
            volumes: vec!["/var/cache/nginx".into()],
        })))
    }

    fn changes(&self) -> Flow<Change> {
        let changes = self.changes.clone();
        Flow::of(8, |sender| async move {
            while let Ok(change) = changes.recv().await {
                let _ = sender.send(Ok(change)).await;
            }
        })
    }

    fn missing(&self) -> Reply<Vec<Missing>> {
        let piece = |piece, name: &str, why: &str, command: &str| Missing {
            piece,
            name: name.into(),
            why: why.into(),
            command: Some(command.into()),
            fatal: true,
        };
        ready(Ok(if self.kind == "missing" {
            vec![
                piece(
                    Piece::IdMappers,
                    "newuidmap, newgidmap",
                    "It gives containers more than one user.",
                    "sudo apt install uidmap",
                ),
                piece(
                    Piece::SubordinateIds,
                    "Subordinate IDs",
                    "/etc/subuid gives sam none.",
                    "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 sam",
                ),
            ]
        } else {
            Vec::new()
        }))
    }

    fn act(&self, id: &str, action: Action) -> Reply<()> {
        let mut containers = self.containers.borrow_mut();
        for container in containers.iter_mut().filter(|container| container.id == id) {
            container.state = match action {
                Action::Start | Action::Restart => State::Running { since: Some(now()) },
                _ => State::Exited { status: Some(0), finished: now(), out_of_memory: false },
            };
        }
        if action == Action::Remove {
            containers.retain(|container| container.id != id);
        }
        let (told, id) = (self.told.clone(), id.to_owned());
        let work = relm4::spawn(async move {
            sleep(Duration::from_millis(700)).await;
            let _ = told.send(Change::Container(id)).await;
        });
        Box::pin(async move {
            let _ = work.await;
            Ok(())
        })
    }

    fn create(&self, request: Request) -> Reply<String> {
        let mut containers = self.containers.borrow_mut();
        let mut container = made_up(containers.len() + 20, &request.name.unwrap_or_else(|| "happy_seal".into()));
        container.state = State::Created;
        let id = container.id.clone();
        containers.push(container);
        ready(Ok(id))
    }

    fn pull(&self, name: &str) -> Flow<Pull> {
        let name = name.to_owned();
        Flow::of(8, |sender| async move {
            let mut steps = vec![Pull::Layers(vec![("a".into(), 30_000_000, false), ("b".into(), 60_000_000, false)])];
            for part in 1..=60 {
                steps.push(Pull::Fetched { layer: "a".into(), bytes: part * 500_000 });
                steps.push(Pull::Fetched { layer: "b".into(), bytes: part * 1_000_000 });
            }
            steps.push(Pull::Done(name));
            let mut steps = stream::iter(steps);
            while let Some(step) = steps.next().await {
                sleep(Duration::from_millis(60)).await;
                let _ = sender.send(Ok(step)).await;
            }
        })
    }

    fn remove_image(&self, _: &str) -> Reply<()> {
        ready(Err(Failure {
            reason: Reason::ImageInUse("web".into()),
            details: vec!["image is in use by a container".into()],
        }))
    }

    fn tag(&self, _: &str, _: &str) -> Reply<()> {
        ready(Ok(()))
    }

    fn logs(&self, _: &str, _: usize) -> Flow<Vec<LogLine>> {
        Flow::of(8, |sender| async move {
            for number in 0_i64.. {
                let text = match number % 5 {
                    0 => format!(
                        "172.17.0.1 - - \"GET /page/{number} HTTP/1.1\" \u{1b}[32m200\u{1b}[0m 612 \"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/142.0\""
                    ),
                    3 => format!("\u{1b}[1;31merror\u{1b}[0m upstream {number} timed out"),
                    _ => format!("\u{1b}[34minfo\u{1b}[0m worker {number} is ready"),
                };
                let line = LogLine { time: now() * 1_000_000 + number, stderr: number % 7 == 4, text, partial: false };
                if sender.send(Ok(vec![line])).await.is_err() {
                    break;
                }
                if number > 60 {
                    sleep(Duration::from_millis(500)).await;
                }
            }
        })
    }

    fn exec(&self, id: &str, _: Exec) -> Reply<Session> {
        self.attach(id)
    }

    fn attach(&self, _: &str) -> Reply<Session> {
        let (input, requests) = async_channel::unbounded();
        let output = Flow::of(8, |sender| async move {
            let prompt = b"\x1b[1;32mroot@5f2c81b0a9d4\x1b[0m:\x1b[1;34m/\x1b[0m# ".to_vec();
            let _ = sender.send(Ok(Output::Bytes(prompt))).await;
            while let Ok(request) = requests.recv().await {
                if let super::Input::Bytes(bytes) = request {
                    let _ = sender.send(Ok(Output::Bytes(bytes))).await;
                }
            }
        });
        ready(Ok(Session { output, input }))
    }

    fn units(&self) -> Reply<Units> {
        let unit = |name: &str, kind: UnitKind, activity, at_login| Unit {
            name: name.to_owned(),
            kind,
            service: format!("{}.service", name.split('.').next().unwrap_or_default()),
            description: Some("Notes for the house".to_owned()),
            path: format!("/home/sam/.config/containers/systemd/{name}"),
            own: true,
            activity,
            at_login,
            template: false,
            problems: Vec::new(),
        };
        let problem = Problem {
            error: true,
            at: Some((5, 1)),
            file: None,
            key: None,
            text: "unsupported key 'PublishPorts' in group 'Container'".to_owned(),
            hint: Some("did you mean PublishPort?".to_owned()),
        };
        let list = vec![
            unit("notes.container", UnitKind::Container, Activity::Running, true),
            unit("database.container", UnitKind::Container, Activity::Failed, true),
            unit("tables.volume", UnitKind::Volume, Activity::Done, false),
            Unit { problems: vec![problem], ..unit("web.container", UnitKind::Container, Activity::NotLoaded, false) },
        ];
        ready(Ok(Units { list, boot: Boot::Yes, maker: Maker::Haulout }))
    }

    fn unit_changes(&self) -> Flow<()> {
        Flow::of(1, async |_| std::future::pending().await)
    }

    fn unit_text(&self, _: &str) -> Reply<UnitText> {
        let text = "# Notes for the house\n[Unit]\nDescription=Notes\n\n[Container]\nImage=localhost/notes:latest\n";
        ready(Ok(UnitText { text: text.to_owned(), service: None }))
    }

    fn check_unit(&self, _: &str, _: &str) -> Reply<Checked> {
        ready(Ok(Checked { problems: Vec::new(), service: Some("[Service]\nType=notify\n".to_owned()) }))
    }

    fn write_unit(&self, _: UnitWrite) -> Reply<()> {
        ready(Ok(()))
    }

    fn remove_unit(&self, _: &str, _: &str) -> Reply<()> {
        ready(Ok(()))
    }

    fn act_on_unit(&self, _: &str, _: UnitAction) -> Reply<()> {
        ready(Ok(()))
    }

    fn start_at_boot(&self, _: bool) -> Reply<()> {
        ready(Ok(()))
    }

    fn journal(&self, id: &str, tail: usize, _: &Period) -> Flow<Vec<LogLine>> {
        self.logs(id, tail)
    }

    fn boots(&self) -> Reply<Vec<PastBoot>> {
        let boot = |id: &str, ago: i64, current| PastBoot {
            id: id.to_owned(),
            began: now() - ago,
            ended: now() - ago + 40_000,
            current,
        };
        ready(Ok(vec![boot("b", 50_000, true), boot("a", 400_000, false)]))
    }

    fn draft_unit(&self, _: &str) -> Reply<Draft> {
        ready(Ok(Draft {
            stem: "notes".to_owned(),
            text: "[Unit]\nDescription=Container notes\n\n[Container]\nImage=localhost/notes:latest\nContainerName=notes\n\n[Install]\nWantedBy=default.target\n".to_owned(),
            container: "notes".to_owned(),
            notes: Vec::new(),
        }))
    }

    fn updates(&self) -> Reply<Updates> {
        let version = |letter: &str, version: &str| Version {
            digest: format!("sha256:{}", letter.repeat(64)),
            name: Some(version.to_owned()),
            source: Some("https://git.example/notes".to_owned()),
        };
        let update = |name: &str, image: usize, standing: Standing| Update {
            key: format!("{name}.service"),
            unit: Some(format!("{name}.service")),
            container: Some(format!("systemd-{name}")),
            image: IMAGES[image].0.to_owned(),
            policy: UpdatePolicy::Registry,
            current: Some(version("a", "1.2")),
            newest: matches!(standing, Standing::Available).then(|| version("b", "1.3")),
            checked: Some(now() - 3000),
            standing,
            pinned: false,
            can_roll_back: true,
        };
        let past = PastUpdate {
            unit: "cache.service".to_owned(),
            image: IMAGES[2].0.to_owned(),
            from: Some(format!("sha256:{}", "a".repeat(64))),
            to: Some(format!("sha256:{}", "b".repeat(64))),
            began: now() - 90_000,
            outcome: UpdateOutcome::RolledBack,
            reason: Some("cache.service did not stay up: it is failed (exit status 3)".to_owned()),
            by_itself: true,
        };
        let list = vec![
            update("web", 0, Standing::Available),
            update("database", 1, Standing::Held(Some(now() + 900_000))),
            update("cache", 2, Standing::TakenBack(past.began, past.reason.clone().unwrap_or_default())),
            update("dashboard", 3, Standing::Current),
            update("metrics", 4, Standing::Failed("the registry quay.io does not answer".to_owned())),
        ];
        let list = if self.kind == "empty" { Vec::new() } else { list };
        let schedule = Schedule { on: true, next: Some(now() + 40_000), runs: false };
        ready(Ok(Updates { list, schedule: Some(schedule), past: vec![past] }))
    }

    fn update_changes(&self) -> Flow<()> {
        Flow::of(1, async |_| std::future::pending().await)
    }

    fn run_updates(&self, _: UpdateWork) -> Flow<UpdateStep> {
        Flow::of(8, |sender| async move {
            for done in 0..5 {
                sleep(Duration::from_millis(400)).await;
                let _ = sender.send(Ok(UpdateStep::Checking(done, 5))).await;
            }
            let _ = sender.send(Ok(UpdateStep::Done(Vec::new(), Vec::new()))).await;
        })
    }

    fn hold(&self, _: &str, _: Option<i64>) -> Reply<()> {
        ready(Ok(()))
    }

    fn release(&self, _: &str) -> Reply<()> {
        ready(Ok(()))
    }

    fn update_by_itself(&self, _: bool) -> Reply<()> {
        ready(Ok(()))
    }

    fn unseen_updates(&self) -> Reply<Vec<PastUpdate>> {
        ready(Ok(Vec::new()))
    }

    fn see_updates(&self) -> Reply<()> {
        ready(Ok(()))
    }
}

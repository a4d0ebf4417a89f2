// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container for a test: a bundle, and the monitor started on it as the engine starts it.

use std::io::{IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use haulout_monitor::config::{Cgroup, Config, Log, Network, Restart};
use haulout_monitor::event::Event;
use haulout_monitor::frame::{ExecRequest, Failure, Frame, Kind};
use haulout_monitor::last_run::{Exit, LastRun};
use haulout_monitor::process::Process;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Nothing that a test waits for takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A container that can still be changed.
pub struct Draft {
    folder: tempfile::TempDir,
    pub config: Config,
    pub spec: Value,
    /// As much as the monitor can send to a starter that does not read; what the kernel has when nothing.
    pub send_buffer: Option<usize>,
}

/// A container and its monitor.
pub struct Container {
    pub folder: tempfile::TempDir,
    pub config: Config,
    pub starter: Connection,
    pub monitor: Child,
}

/// What a container said until it ended.
#[derive(Debug)]
pub struct Said {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub exit: Exit,
}

/// Whether containers can be run here. Says why not.
pub fn possible() -> bool {
    let works = |program: &str, arguments: &[&str]| {
        let run = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    let missing = if !works("crun", &["--version"]) {
        "there is no crun"
    } else if !Path::new("/usr/bin/busybox").exists() {
        "there is no /usr/bin/busybox"
    } else if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        "cgroup version 1 is mounted, which crun refuses"
    } else if !works("unshare", &["--user", "--map-root-user", "--mount", "true"]) {
        "user namespaces cannot be made"
    } else {
        return true;
    };
    assert!(!on_test_host(), "{missing}");
    eprintln!("skipped: {missing}; run it with tests/host/run");
    false
}

/// Whether this is a test host, which has everything.
pub fn on_test_host() -> bool {
    Path::new("/etc/haulout-test-host").exists()
}

impl Draft {
    /// A container of one command that nobody is attached to.
    pub fn new(command: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["bundle", "disk", "merged", "rootfs", "crun"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        let root = path.join("rootfs");
        for name in ["bin", "etc", "proc", "dev", "sys", "tmp", "root"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
        for applet in [
            "sh", "cat", "sleep", "echo", "stty", "printf", "dd", "kill", "true", "id", "yes", "head", "tty", "ls",
            "ip", "seq", "mkfifo", "env",
        ] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nguest:x:1000:1000::/home/guest:/bin/sh\n")
            .unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nguest:x:1000:\n").unwrap();
        let id = format!(
            "{:064x}",
            u128::from_ne_bytes(fs::read("/proc/sys/kernel/random/uuid").unwrap()[..16].try_into().unwrap())
        );
        let config = Config {
            id,
            name: "test".into(),
            image: "localhost/busybox:latest".into(),
            create_flags: Vec::new(),
            runtime: vec![
                "crun".into(),
                "--root".into(),
                path.join("crun").display().to_string(),
                "--cgroup-manager=disabled".into(),
            ],
            bundle: path.join("bundle"),
            folder: path.join("disk"),
            rootfs: Some(path.join("merged")),
            terminal: false,
            terminal_size: None,
            stdin_open: false,
            attach_starter: false,
            log: Log::K8sFile { path: path.join("disk/ctr.log"), max_size: None },
            network: Network::Runtime,
            helper: None,
            cgroup: Cgroup::Disabled,
            events: haulout_monitor::event::Log::in_file(path.join("events")),
            cleanup: None,
            stop_signal: None,
            stop_timeout: None,
            timeout: None,
            restart: Restart::No,
            health: None,
            quiet_health: false,
            notify: None,
            pidfile: None,
            monitor_pidfile: None,
            passed: Vec::new(),
            labels: [("colour".to_owned(), "blue".to_owned())].into(),
            userns: None,
            root_ids: None,
        };
        let spec = spec(command, &path.join("merged"));
        Self { folder, config, spec, send_buffer: None }
    }

    /// The same, its output and input on the starter's connection.
    pub fn attached(command: &[&str]) -> Self {
        let mut draft = Self::new(command);
        draft.config.attach_starter = true;
        draft
    }

    /// Starts the monitor; the starter has not said anything yet.
    pub fn launch(self) -> Container {
        self.launch_below(&[])
    }

    /// Starts the monitor by the program `above`.
    pub fn launch_below(mut self, above: &[&str]) -> Container {
        self.spec["process"]["terminal"] = self.config.terminal.into();
        fs::write(self.config.bundle.join("config.json"), self.spec.to_string()).unwrap();
        fs::write(self.config.bundle.join("monitor.json"), serde_json::to_vec(&self.config).unwrap()).unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        if let Some(size) = self.send_buffer {
            rustix::net::sockopt::set_socket_send_buffer_size(&far, size).unwrap();
        }
        let script = r#"mount --bind "$1/rootfs" "$1/merged" && exec "$2" "$1/bundle" 3<&0 </dev/null"#;
        let mut words = above.to_vec();
        words.extend([
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "--propagation",
            "slave",
            "sh",
            "-c",
            script,
            "sh",
        ]);
        let monitor = Command::new(words[0])
            .args(&words[1..])
            .arg(self.folder.path())
            .arg(env!("CARGO_BIN_EXE_haulout-monitor"))
            .stdin(Stdio::from(OwnedFd::from(far)))
            .spawn()
            .unwrap();
        Container { folder: self.folder, config: self.config, starter: Connection::over(near), monitor }
    }

    /// Starts the monitor and the container's process.
    pub fn start(self) -> Container {
        let mut container = self.launch();
        container.starter.send(Kind::Go, "");
        container.starter.expect(Kind::Created);
        container.starter.expect(Kind::Started);
        container
    }

    /// Runs it to its end.
    pub fn run(self) -> (Container, Said) {
        let mut container = self.start();
        let said = container.starter.listen();
        container.monitor.wait().unwrap();
        (container, said)
    }
}

impl Container {
    /// Another connection to its monitor.
    pub fn connect(&self) -> Connection {
        // The path may be longer than a socket's path may be.
        let folder = fs::File::open(&self.config.bundle).unwrap();
        let path = format!("/proc/self/fd/{}/attach", std::os::fd::AsRawFd::as_raw_fd(&folder));
        Connection::over(UnixStream::connect(path).unwrap())
    }

    /// Runs `command` in it, in the words of the engine.
    pub fn exec(&self, request: &ExecRequest, streams: &[BorrowedFd<'_>]) -> Connection {
        let connection = self.connect();
        let mut wire = Vec::new();
        Frame::new(Kind::Exec, serde_json::to_vec(request).unwrap()).write(&mut wire).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !streams.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(streams));
        }
        rustix::net::sendmsg(connection.stream.as_fd(), &[IoSlice::new(&wire)], &mut control, SendFlags::empty())
            .unwrap();
        connection
    }

    /// The log's lines without their times.
    pub fn log(&self) -> Vec<String> {
        let Log::K8sFile { path, .. } = &self.config.log else { panic!("no log file") };
        let text = fs::read_to_string(path).unwrap();
        text.split_terminator('\n').map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    /// The events' actions, with the status where there is one.
    pub fn events(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.config.events.file).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Event>(line).unwrap());
        events
            .map(|event| match event.exit {
                Some(exit) => format!("{} {exit}", event.action),
                None => event.action,
            })
            .collect()
    }

    pub fn last_run(&self) -> LastRun {
        LastRun::read(&self.config.folder).unwrap().unwrap()
    }

    /// Waits until the monitor has ended, and asserts that it has left nothing.
    pub fn assert_gone(mut self) {
        self.monitor.wait().unwrap();
        assert!(!self.config.bundle.exists(), "the runtime folder is still there");
        let states: Vec<_> = fs::read_dir(self.folder.path().join("crun")).unwrap().collect();
        assert!(states.is_empty(), "the runtime still knows it: {states:?}");
        // What was killed may take a moment to die.
        eventually("the end of its processes", || processes_with(&self.config.id).is_empty());
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(init) = Process::read(&self.config.bundle.join("init.pid"))
            && init.is_alive()
        {
            let _ = kill_process(Pid::from_raw(init.pid).unwrap(), Signal::KILL);
        }
        let _ = self.monitor.kill();
        let _ = self.monitor.wait();
    }
}

/// The command lines of processes that name `word`.
pub fn processes_with(word: &str) -> Vec<String> {
    let folders = fs::read_dir("/proc").unwrap().flatten();
    let lines = folders.filter_map(|folder| fs::read(folder.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(word)).collect()
}

/// Waits until `is` holds.
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "it never came: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A connection to a monitor.
pub struct Connection {
    pub stream: UnixStream,
}

impl Connection {
    fn over(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    pub fn send(&mut self, kind: Kind, payload: impl Into<Vec<u8>>) {
        self.send_frame(&Frame::new(kind, payload));
    }

    pub fn send_frame(&mut self, frame: &Frame) {
        let mut wire = Vec::new();
        frame.write(&mut wire).unwrap();
        self.stream.write_all(&wire).unwrap();
    }

    /// The next frame; nothing at the end.
    pub fn next(&mut self) -> Option<Frame> {
        Frame::read(&mut self.stream).unwrap()
    }

    /// The payload of the next frame, which is of `kind`.
    pub fn expect(&mut self, kind: Kind) -> String {
        let frame = self.next().expect("the monitor has closed the connection");
        let payload = String::from_utf8_lossy(&frame.payload).into_owned();
        assert_eq!(frame.kind, kind, "with {payload}");
        payload
    }

    pub fn expect_failure(&mut self) -> Failure {
        serde_json::from_str(&self.expect(Kind::Failed)).unwrap()
    }

    /// Collects the output until `Exited`.
    pub fn listen(&mut self) -> Said {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            let frame = self.next().expect("the monitor has closed the connection");
            match frame.kind {
                Kind::Stdout => stdout.extend(frame.payload),
                Kind::Stderr => stderr.extend(frame.payload),
                Kind::Exited => {
                    return Said { stdout, stderr, exit: serde_json::from_slice(&frame.payload).unwrap() };
                }
                other => panic!("{other:?} in between"),
            }
        }
    }

    /// Reads standard output until it has `words`.
    pub fn listen_for(&mut self, words: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(words) {
            let frame = Frame::read(&mut self.stream).unwrap_or_else(|error| panic!("{error} after {heard:?}"));
            let frame = frame.unwrap_or_else(|| panic!("nothing more after {heard:?}"));
            assert_eq!(frame.kind, Kind::Stdout);
            heard.push_str(&String::from_utf8_lossy(&frame.payload));
        }
        heard
    }
}

/// The path of a file in the root that the container sees at `inside`.
pub fn in_root(container: &Container, inside: &str) -> PathBuf {
    container.folder.path().join("rootfs").join(inside.trim_start_matches('/'))
}

/// A process for `exec`.
pub fn request(command: &[&str]) -> ExecRequest {
    ExecRequest {
        process: process(command),
        user: None,
        terminal: false,
        size: None,
        detach: false,
        passed: Vec::new(),
    }
}

fn process(command: &[&str]) -> Value {
    let capabilities = json!(["CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"]);
    json!({
        "user": {"uid": 0, "gid": 0},
        "args": command,
        "env": ["PATH=/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
    })
}

fn spec(command: &[&str], root: &Path) -> Value {
    let namespaces: Vec<_> = ["pid", "ipc", "uts", "mount", "network"].map(|kind| json!({"type": kind})).into();
    json!({
        "ociVersion": "1.0.2",
        "process": process(command),
        "root": {"path": root},
        "hostname": "test",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666", "mode=0620"]},
        ],
        "linux": {"namespaces": namespaces},
    })
}

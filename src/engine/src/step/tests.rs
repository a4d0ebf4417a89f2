// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The zygote, the anchor and the steps, for real: as an ordinary user they make a user namespace each.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use haulout_monitor::frame::{Failure, Frame, Kind};
use haulout_monitor::process::Process;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::*;
use crate::container::start::{Fresh, Plan, Remains, Root, Stages};
use crate::userns::{anchor, is_root};

/// A runtime folder of its own, and a zygote whose steps go there. Its anchor ends with it.
struct Place {
    folder: TempDir,
    steps: Steps,
    zygote: fork::Child,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Root of the user namespace has other ids than the folder's owner.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (steps, zygote) = Steps::fork_zygote().unwrap();
        let steps = steps.anchored(folder.path().join("run/anchor"));
        Self { folder, steps, zygote }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn anchor(&self) -> Option<Process> {
        anchor::alive(&self.at("run/anchor"))
    }

    async fn make_anchor(&self) -> i32 {
        match self.steps.run(&Step::Anchor, Vec::new()).await.unwrap() {
            Answer::Anchor { pid, .. } => pid,
            other => panic!("{other:?}"),
        }
    }

    async fn remove(&self, name: &str) {
        self.steps.run(&Step::Remove { path: self.at(name) }, Vec::new()).await.unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(anchor) = self.anchor() {
            kill(anchor.pid);
        }
    }
}

fn kill(pid: i32) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

fn until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The pids of the children of `pid`.
fn children(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap()
}

/// What the descriptors of `pid` are.
fn links(pid: i32) -> Vec<String> {
    let mut links: Vec<(i32, String)> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, fs::read_link(path).ok()?.to_string_lossy().into_owned()))
        })
        .collect();
    links.sort();
    links.into_iter().map(|(_, link)| link).collect()
}

#[tokio::test]
async fn the_anchor_is_made_once_and_its_root_is_the_user() {
    let place = Place::new();
    if is_root() {
        return;
    }
    let first = place.make_anchor().await;
    assert_eq!(place.make_anchor().await, first);
    let map = fs::read_to_string(format!("/proc/{first}/uid_map")).unwrap();
    let me = rustix::process::getuid().as_raw().to_string();
    assert_eq!(map.split_ascii_whitespace().take(3).collect::<Vec<_>>(), ["0", me.as_str(), "1"]);
    assert!(map.lines().count() > 1, "no subordinate ids: {map}");
    // It lets go of its maker's pipes a moment after that one has answered.
    let nothing = ["/dev/null", "/dev/null", "/dev/null", "anon_inode:inotify"];
    until("the anchor holds nothing but the watch of its file", || links(first) == nothing);
    // In the middle of an exec it is called nothing.
    let name = || fs::read(format!("/proc/{first}/cmdline")).unwrap().split(|b| *b == 0).next().map(<[u8]>::to_vec);
    until("the anchor is called so", || name().as_deref() == Some(&b"haulout-anchor"[..]));
}

#[tokio::test]
async fn many_at_once_make_one_anchor() {
    if is_root() {
        return;
    }
    let place = Place::new();
    let others: Vec<Steps> = (0..5).map(|_| Steps::fork().unwrap().anchored(place.at("run/anchor"))).collect();
    let all = others.iter().map(|steps| steps.run(&Step::Anchor, Vec::new()));
    let mut pids = Vec::new();
    let mut made = 0;
    for answer in futures_util::future::join_all(all).await {
        let Answer::Anchor { pid, made: new, .. } = answer.unwrap() else { panic!() };
        pids.push(pid);
        made += i32::from(new);
    }
    pids.dedup();
    assert_eq!((pids.len(), made), (1, 1));
}

#[tokio::test]
async fn a_killed_anchor_is_made_again() {
    if is_root() {
        return;
    }
    let place = Place::new();
    let first = place.make_anchor().await;
    kill(first);
    until("the anchor ends", || place.anchor().is_none());
    let second = place.make_anchor().await;
    assert_ne!(first, second);
    assert_eq!(place.anchor().unwrap().pid, second);
}

#[tokio::test]
async fn an_anchor_is_born_again_in_the_namespace_of_a_monitor_that_lives() {
    if is_root() {
        return;
    }
    let place = Place::new();
    let first = place.make_anchor().await;
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/user")).unwrap();
    let before = namespace(first);
    // The first anchor, taken for a monitor: what counts is the namespace that it is in. Stopped it does not end with its file.
    kill_process(Pid::from_raw(first).unwrap(), Signal::STOP).unwrap();
    fs::create_dir_all(place.at("run/containers/x")).unwrap();
    fs::rename(place.at("run/anchor"), place.at("run/containers/x/monitor.pid")).unwrap();
    let second = place.make_anchor().await;
    assert_ne!(first, second);
    assert_eq!(namespace(second), before);
    kill(first);
}

#[tokio::test]
async fn files_of_subordinate_ids_are_unpacked_and_removed() {
    let place = Place::new();
    let mut tar = tar::Builder::new(Vec::new());
    for (name, uid, mode) in [("root", 0, 0o644), ("other", 1000, 0o600), ("set", 33, 0o6755)] {
        let mut header = tar::Header::new_gnu();
        header.set_uid(uid);
        header.set_gid(uid);
        header.set_mode(mode);
        header.set_size(1);
        tar.append_data(&mut header, format!("d/{name}"), &b"x"[..]).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_uid(1000);
    header.set_gid(1000);
    header.set_mode(0o700);
    header.set_size(0);
    tar.append_data(&mut header, "d/closed", &b""[..]).unwrap();
    let bytes = tar.into_inner().unwrap();
    fs::create_dir(place.at("layer")).unwrap();
    let (read, write) = rustix::pipe::pipe().unwrap();
    let writer = std::thread::spawn(move || fs::File::from(write).write_all(&bytes));
    let step = Step::Unpack {
        into: place.at("layer"),
        compression: Compression::None,
        length: None,
        limits: Limits::default(),
    };
    let answer = place.steps.run(&step, vec![read]).await.unwrap();
    assert!(matches!(answer, Answer::Unpacked { entries: 4, size: 3, .. }), "{answer:?}");
    writer.join().unwrap().unwrap();
    let found = fs::metadata(place.at("layer/d/other")).unwrap();
    let owner = |pid: i32, inside: u32| {
        let map = crate::userns::map::of_process(pid, "uid_map").unwrap();
        map.iter()
            .find(|extent| inside - extent.inside < extent.count)
            .map(|extent| extent.outside + inside - extent.inside)
    };
    let expected = place.anchor().map_or(Some(1000), |anchor| owner(anchor.pid, 1000));
    assert_eq!(Some(found.uid()), expected);
    assert_eq!(fs::metadata(place.at("layer/d/set")).unwrap().mode() & 0o7777, 0o6755);
    place.remove("layer").await;
    assert!(!place.at("layer").exists());
}

#[tokio::test]
async fn an_owner_beyond_the_users_ids_is_an_error_that_says_what_to_do() {
    if is_root() {
        return;
    }
    let place = Place::new();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_uid(1_000_000_000);
    header.set_gid(7);
    header.set_mode(0o644);
    header.set_size(0);
    tar.append_data(&mut header, "etc/far", &b""[..]).unwrap();
    let bytes = tar.into_inner().unwrap();
    fs::create_dir(place.at("layer")).unwrap();
    let (read, write) = rustix::pipe::pipe().unwrap();
    fs::File::from(write).write_all(&bytes).unwrap();
    let step = Step::Unpack {
        into: place.at("layer"),
        compression: Compression::None,
        length: None,
        limits: Limits::default(),
    };
    let error = place.steps.run(&step, vec![read]).await.unwrap_err().to_string();
    let words =
        "potentially insufficient UIDs or GIDs available in user namespace (requested 1000000000:7 for /etc/far)";
    assert!(error.starts_with(words) && error.contains("usermod"), "{error}");
}

#[tokio::test]
async fn a_step_that_nobody_waits_for_any_more_is_killed() {
    let place = Place::new();
    fs::create_dir(place.at("layer")).unwrap();
    place.make_anchor().await;
    let (read, write) = rustix::pipe::pipe().unwrap();
    let step = Step::Unpack {
        into: place.at("layer"),
        compression: Compression::None,
        length: None,
        limits: Limits::default(),
    };
    let waiting = tokio::time::timeout(Duration::from_millis(300), place.steps.run(&step, vec![read])).await;
    assert!(waiting.is_err(), "it ended by itself: {waiting:?}");
    // The child had the only reading end.
    let mut writer = fs::File::from(write);
    until("the child is killed", || {
        writer.as_fd().try_clone_to_owned().is_ok_and(|fd| fs::File::from(fd).write(b"x").is_err())
    });
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    // And the zygote goes on.
    place.remove("layer").await;
}

#[tokio::test]
async fn a_killed_zygote_is_gone_and_takes_its_steps_along() {
    let place = Place::new();
    fs::create_dir(place.at("layer")).unwrap();
    place.make_anchor().await;
    let zygote = place.zygote.pid.as_raw_pid();
    let (read, write) = rustix::pipe::pipe().unwrap();
    let step = Step::Unpack {
        into: place.at("layer"),
        compression: Compression::None,
        length: None,
        limits: Limits::default(),
    };
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        kill(zygote);
    });
    let answer = place.steps.run(&step, vec![read]).await;
    assert!(matches!(answer, Err(StepError::Gone)), "{answer:?}");
    killer.join().unwrap();
    until("the step ends", || write.try_clone().is_ok_and(|write| fs::File::from(write).write(b"x").is_err()));
    assert!(place.steps.are_gone());
    assert!(matches!(place.steps.run(&Step::Anchor, Vec::new()).await, Err(StepError::Gone)));
}

#[tokio::test]
async fn a_step_that_was_about_to_begin_when_its_zygote_was_killed_does_not() {
    let place = Place::new();
    if is_root() {
        return;
    }
    for folder in ["layer", "run"] {
        fs::create_dir(place.at(folder)).unwrap();
    }
    // There is no anchor, and who wants to make one waits.
    let lock = fs::File::create(place.at("run/anchor.lock")).unwrap();
    lock.lock().unwrap();
    let zygote = place.zygote.pid.as_raw_pid();
    let killer = std::thread::spawn(move || {
        until("the step's process is there", || !children(zygote).is_empty());
        kill(zygote);
        until("the zygote has ended", || Process::of(zygote).is_none());
        drop(lock);
    });
    let answer = place.steps.run(&Step::Remove { path: place.at("layer") }, Vec::new()).await;
    assert!(matches!(answer, Err(StepError::Gone)), "{answer:?}");
    assert!(place.at("layer").exists());
    killer.join().unwrap();
}

#[tokio::test]
async fn who_waits_for_the_end_of_a_step_finds_its_process_gone() {
    let place = Place::new();
    place.make_anchor().await;
    let zygote = place.zygote.pid.as_raw_pid();
    let nothing = Step::Remove { path: place.at("nothing") };
    for _ in 0..100 {
        place.steps.run_to_end(&nothing, Vec::new()).await.unwrap();
        assert_eq!(children(zygote), "");
    }
}

#[tokio::test]
async fn a_zygote_holds_nothing_of_its_callers_and_ends_with_it() {
    let place = Place::new();
    // It answers once it has settled.
    place.make_anchor().await;
    let zygote = place.zygote.pid.as_raw_pid();
    // The step's own descriptors go when it is seen to have ended.
    until("the zygote has only its socket", || {
        let links = links(zygote);
        links[..3] == ["/dev/null"; 3] && links.len() == 4 && links[3].starts_with("socket:")
    });
    assert_eq!(fs::read_link(format!("/proc/{zygote}/cwd")).unwrap(), Path::new("/"));
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        kill_process(Pid::from_raw(zygote).unwrap(), signal).unwrap();
    }
    place.make_anchor().await;
    drop(place.steps.clone());
    place.make_anchor().await;
    // The last of them.
    let mut place = place;
    place.steps = Steps::over(wire::pair().unwrap().0);
    until("the zygote ends", || Process::of(zygote).is_none());
}

#[tokio::test]
async fn nonsense_on_the_socket_is_answered_or_passed_over() {
    let place = Place::new();
    let send = |bytes: &[u8], descriptors: usize| {
        let (near, far) = wire::pair().unwrap();
        let (end, lifeline) = rustix::pipe::pipe().unwrap();
        let mut given: Vec<OwnedFd> = vec![far];
        given.extend((2..descriptors).map(|_| fs::File::open("/dev/zero").unwrap().into()));
        given.push(end);
        given.truncate(descriptors);
        let borrowed: Vec<BorrowedFd<'_>> = given.iter().map(AsFd::as_fd).collect();
        loop {
            match wire::send(&place.steps.socket, bytes, &borrowed) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                other => break other.unwrap(),
            }
        }
        (near, lifeline)
    };
    let (zeroes, brackets) = (vec![0; 70_000], vec![b'{'; 60_000]);
    let step = br#"{"anchor":"/nonexistent/x","step":"anchor"}"#;
    for bytes in
        [&b""[..], b"{", b"@", b"nonsense", b"{}", b"[1]", br#"{"anchor":1,"step":"anchor"}"#, step, &zeroes, &brackets]
    {
        for descriptors in [0, 1, 2, 3, 60] {
            if bytes.is_empty() && descriptors == 0 {
                continue;
            }
            let _ = send(bytes, descriptors);
        }
    }
    // One that can be answered is.
    let (near, _lifeline) = send(b"{}", 2);
    let mut answer = None;
    until("an answer", || {
        rustix::event::poll(
            &mut [rustix::event::PollFd::new(&near, rustix::event::PollFlags::IN)],
            Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 1000 }),
        )
        .unwrap()
            == 1
    });
    if let Ok(found) = wire::read_answer(&near) {
        answer = found;
    }
    assert!(matches!(&answer, Some(Answer::Failed(why)) if why.starts_with("this is no step")), "{answer:?}");
    place.make_anchor().await;
}

#[tokio::test]
async fn a_step_longer_than_a_packet_arrives() {
    let place = Place::new();
    let long: PathBuf = format!("{}/{}", place.folder.path().display(), "x/".repeat(1900)).into();
    place.steps.run(&Step::Remove { path: long }, Vec::new()).await.unwrap();
    let plan =
        plan(&place, |plan| plan.config.labels = (0..50_000).map(|n| (format!("label{n}"), "v".repeat(20))).collect());
    let (_, failure) = start(&place, plan).await;
    assert!(failure.is_none(), "{failure:?}");
    place.remove("container").await;
}

/// A container of two layers whose monitor is a script that writes down what it sees.
fn plan(place: &Place, change: impl FnOnce(&mut Plan)) -> Plan {
    let script = "#!/bin/sh
b=$1
exec 2>$b/log
{
  echo $$; id -u; id -g; umask; pwd
  ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> .*/\\1/p' | tr '\\n' ' '; echo
  grep -E '^(SigBlk|SigIgn)' /proc/self/status | tr '\\n\\t' '  '; echo
  cut -d' ' -f6 /proc/self/stat
  cat /proc/self/oom_score_adj
} > $b/seen
cat /proc/self/mountinfo > $b/mountinfo
cat ROOT/from-lower > $b/content
ls ROOT > $b/listing
touch ROOT/written
mv $b/seen $b/done
";
    for folder in ["top/etc", "bottom/bin", "bottom/data/sub", "container", "volume"] {
        fs::create_dir_all(place.at(folder)).unwrap();
    }
    fs::write(place.at("top/etc/passwd"), "root:x:0:0::/root:/bin/sh\nanna:x:1000:1001::/home/anna:/bin/sh\n").unwrap();
    fs::write(place.at("top/etc/group"), "video:x:44:anna\n").unwrap();
    fs::write(place.at("bottom/from-lower"), "lower").unwrap();
    fs::write(place.at("bottom/data/file"), "image's").unwrap();
    // Made once for a place.
    let _ = fs::hard_link(place.at("bottom/data/file"), place.at("bottom/data/sub/hard"));
    let _ = std::os::unix::fs::symlink("/data/file", place.at("bottom/data/link"));
    fs::set_permissions(place.at("bottom/data"), fs::Permissions::from_mode(0o1770)).unwrap();
    let target = place.at("container/merged");
    let monitor = place.at("monitor");
    fs::write(&monitor, script.replace("ROOT", &target.to_string_lossy())).unwrap();
    fs::set_permissions(&monitor, fs::Permissions::from_mode(0o755)).unwrap();
    let mut plan = Plan {
        anchor: place.at("run/anchor"),
        root: Root {
            lower: vec![place.at("top"), place.at("bottom")],
            upper: place.at("container/upper"),
            work: place.at("container/work"),
            target: target.clone(),
            ..Root::default()
        },
        spec: oci_spec::runtime::Spec::default(),
        user: None,
        capabilities_of_user: None,
        workdir_must_exist: false,
        stages: Stages::default(),
        fresh: Vec::new(),
        secrets: Vec::new(),
        owned: Vec::new(),
        mapping: None,
        shared_userns: None,
        kept_group: None,
        accounts: crate::container::start::Accounts::default(),
        groups: Vec::new(),
        monitor,
        config: serde_json::from_value(serde_json::json!({
            "id": "1234", "name": "n", "image": "i", "runtime": ["true"],
            "bundle": place.at("run/containers/1234"), "folder": place.at("container"), "rootfs": target,
            "terminal": false, "terminal_size": null, "stdin_open": false, "attach_starter": false,
            "log": {"driver": "none"}, "network": {"mode": "runtime"}, "cgroup": "disabled",
            "events": {"file": place.at("run/events"), "max_size": null, "journal": false}, "cleanup": null, "timeout": null, "restart": "no", "labels": {},
        }))
        .unwrap(),
    };
    change(&mut plan);
    plan
}

/// Starts it; waits until the script has done its work, or answers why it did not get there.
async fn start(place: &Place, plan: Plan) -> (i32, Option<Failure>) {
    let bundle = plan.config.bundle.clone();
    let (mut near, far) = UnixStream::pair().unwrap();
    let lock = std::fs::File::open("/dev/null").unwrap();
    let answer = place.steps.run(&Step::Start(Box::new(plan)), vec![far.into(), lock.into()]).await.unwrap();
    let Answer::Pid(pid) = answer else { panic!("{answer:?}") };
    // Its end, when it has become the script and that has ended; what failed waits until we let go.
    let failure = Frame::read(&mut near).unwrap().map(|frame| {
        assert_eq!(frame.kind, Kind::Failed);
        serde_json::from_slice(&frame.payload).unwrap()
    });
    assert!(
        failure.is_some() || bundle.join("done").exists(),
        "{}",
        fs::read_to_string(bundle.join("log")).unwrap_or_default()
    );
    (pid, failure)
}

#[tokio::test]
async fn a_start_becomes_the_monitor_in_a_mounted_root() {
    let place = Place::new();
    let (pid, failure) = start(&place, plan(&place, |_| {})).await;
    assert!(failure.is_none(), "{failure:?}");
    let bundle = place.at("run/containers/1234");
    let seen = fs::read_to_string(bundle.join("done")).unwrap();
    let seen: Vec<&str> = seen.lines().map(str::trim).collect();
    assert_eq!(seen[..5], [pid.to_string().as_str(), "0", "0", "0022", "/"]);
    // Beside the listing's own: the standard three and the starter.
    assert!(seen[5].starts_with("0 1 2 3 ") && seen[5].split(' ').count() <= 5, "descriptors {}", seen[5]);
    assert!(
        seen[6].split_ascii_whitespace().filter(|word| word.starts_with('0')).all(|mask| mask == "0000000000000000"),
        "{}",
        seen[6]
    );
    assert_eq!(seen[7], pid.to_string(), "a session of its own");
    assert_eq!(seen[8], fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim());
    assert_eq!(fs::read_to_string(bundle.join("content")).unwrap(), "lower");
    assert_eq!(fs::read_to_string(bundle.join("listing")).unwrap(), "bin\ndata\netc\nfrom-lower\n");
    let mounts = fs::read_to_string(bundle.join("mountinfo")).unwrap();
    let target = place.at("container/merged");
    assert!(
        mounts.lines().any(|line| line.contains(&*target.to_string_lossy()) && line.contains("userxattr")),
        "{mounts}"
    );
    // What the host has shared, it is a slave of; the host sees nothing of it.
    let shared = |text: &str| text.lines().filter(|line| line.contains(" shared:")).count();
    assert_eq!(shared(&mounts), 0, "{mounts}");
    let mine = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(mounts.lines().filter(|line| line.contains(" master:")).count() > 0, shared(&mine) > 0);
    assert!(!mine.contains("container/merged"));
    assert!(place.at("container/upper/written").exists() && !place.at("bottom/written").exists());
    let spec: serde_json::Value = serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    assert_eq!(spec["process"]["user"], serde_json::json!({"uid": 0, "gid": 0}));
    assert!(spec["process"]["env"].as_array().unwrap().iter().any(|value| value == "HOME=/root"));
    assert!(bundle.join("monitor.json").exists());
    place.remove("container").await;
}

#[tokio::test]
async fn a_user_by_name_has_their_groups_home_capabilities_and_working_folder() {
    let place = Place::new();
    let plan = plan(&place, |plan| {
        plan.user = Some("anna".to_owned());
        plan.capabilities_of_user = Some(oci_spec::runtime::LinuxCapabilities::default());
        plan.spec.process_mut().as_mut().unwrap().set_cwd("/work/deep".into());
    });
    let (_, failure) = start(&place, plan).await;
    assert!(failure.is_none(), "{failure:?}");
    let spec: oci_spec::runtime::Spec =
        serde_json::from_slice(&fs::read(place.at("run/containers/1234/config.json")).unwrap()).unwrap();
    let process = spec.process().as_ref().unwrap();
    assert_eq!((process.user().uid(), process.user().gid()), (1000, 1001));
    assert_eq!(process.user().additional_gids().as_deref(), Some(&[44, 1001][..]));
    assert!(process.env().as_ref().unwrap().contains(&"HOME=/home/anna".to_owned()));
    assert_eq!(process.capabilities(), &Some(oci_spec::runtime::LinuxCapabilities::default()));
    assert!(place.at("container/upper/work/deep").is_dir());
    assert_ne!(fs::metadata(place.at("container/upper/work/deep")).unwrap().uid(), rustix::process::getuid().as_raw());
    place.remove("container").await;
}

#[tokio::test]
async fn a_new_volume_gets_what_the_image_has_in_its_place() {
    let place = Place::new();
    let (from, to) = (PathBuf::from("/data"), place.at("volume"));
    let fresh = |inside| Fresh { inside, outside: to.clone(), filled: true, owner: (None, None) };
    let plan = plan(&place, |plan| plan.fresh = vec![fresh(from), fresh("/nothing".into())]);
    let (_, failure) = start(&place, plan).await;
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(fs::read_to_string(to.join("file")).unwrap(), "image's");
    assert_eq!(fs::metadata(to.join("file")).unwrap().ino(), fs::metadata(to.join("sub/hard")).unwrap().ino());
    assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/data/file"));
    assert_eq!(fs::metadata(&to).unwrap().mode() & 0o7777, 0o1770);
    let image = fs::metadata(place.at("bottom/data/sub")).unwrap();
    assert_eq!(fs::metadata(to.join("sub")).unwrap().modified().unwrap(), image.modified().unwrap());
    place.remove("container").await;
}

#[tokio::test]
async fn what_fails_before_the_monitor_is_told_and_leaves_no_mount() {
    let place = Place::new();
    for (change, status, words) in [
        (
            Box::new(|plan: &mut Plan| plan.user = Some("nobody-here".to_owned())) as Box<dyn FnOnce(&mut Plan)>,
            126,
            "unable to find user nobody-here: no matching entries in passwd file",
        ),
        (
            Box::new(|plan: &mut Plan| {
                plan.workdir_must_exist = true;
                plan.spec.process_mut().as_mut().unwrap().set_cwd("/nope".into());
            }),
            126,
            "workdir \"/nope\" does not exist on container 1234",
        ),
        (
            Box::new(|plan: &mut Plan| plan.root.lower = vec!["/nonexistent".into()]),
            125,
            "mounting the root filesystem",
        ),
        (
            Box::new(|plan: &mut Plan| plan.monitor = "/nonexistent/monitor".into()),
            125,
            "executing /nonexistent/monitor",
        ),
    ] {
        let plan = plan(&place, change);
        let (pid, failure) = start(&place, plan).await;
        let failure = failure.unwrap();
        assert_eq!(failure.status, status, "{failure:?}");
        assert!(failure.message.contains(words), "{failure:?}");
        until("the child ends", || Process::of(pid).is_none());
        assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("container/merged"));
        place.remove("container").await;
    }
}

#[tokio::test]
async fn an_image_without_layers_and_one_of_many_are_mounted() {
    let place = Place::new();
    let many: Vec<PathBuf> = (0..200)
        .map(|number| {
            let layer = place.at(&format!("layers/{number}{}/diff", "0".repeat(60)));
            fs::create_dir_all(&layer).unwrap();
            fs::write(layer.join(format!("layer-{number}")), "").unwrap();
            layer
        })
        .collect();
    let plan_of_many = plan(&place, |plan| plan.root.lower.extend(many));
    let (_, failure) = start(&place, plan_of_many).await;
    assert!(failure.is_none(), "{failure:?}");
    let listing = fs::read_to_string(place.at("run/containers/1234/listing")).unwrap();
    assert_eq!(listing.lines().filter(|line| line.starts_with("layer-")).count(), 200);
    fs::remove_dir_all(place.at("run/containers/1234")).unwrap();
    place.remove("container").await;
    let plan = plan(&place, |plan| plan.root.lower.clear());
    let (_, failure) = start(&place, plan).await;
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(fs::read_to_string(place.at("run/containers/1234/listing")).unwrap(), "etc\n");
    place.remove("container").await;
}

#[tokio::test]
async fn what_a_killed_monitor_left_is_given_back() {
    let place = Place::new();
    let bundle = place.at("run/containers/1234");
    fs::create_dir_all(&bundle).unwrap();
    let mut init = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    Process::of(init.id().cast_signed()).unwrap().write(&bundle.join("init.pid")).unwrap();
    let remains = || Remains {
        mounted: None,
        id: "1234".to_owned(),
        bundle: bundle.clone(),
        runtime: vec!["false".to_owned(), "--root".to_owned(), place.at("crun").to_string_lossy().into_owned()],
    };
    fs::create_dir_all(place.at("crun/1234")).unwrap();
    let waiting = std::thread::spawn(move || init.wait().unwrap());
    assert!(matches!(place.steps.run(&Step::Reap(remains()), Vec::new()).await, Ok(Answer::Done)));
    assert!(!waiting.join().unwrap().success());
    assert!(!bundle.exists() && !place.at("crun/1234").exists());
    // And once more: there is nothing to do.
    assert!(matches!(place.steps.run(&Step::Reap(remains()), Vec::new()).await, Ok(Answer::Done)));
}

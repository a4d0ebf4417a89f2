// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::sync::Arc;

use super::*;
use crate::{Settings, Source, generate};

fn known(name: &str) -> Option<Flag> {
    let long = match name {
        "d" => "detach",
        "p" => "publish",
        "e" => "env",
        "v" => "volume",
        "t" => "tty",
        "nonsense" => return None,
        long if long.len() > 1 => long,
        _ => return None,
    };
    let takes_value = !["detach", "rm", "init", "tty", "read-only"].contains(&long);
    Some(Flag { long: long.to_owned(), takes_value })
}

fn made(line: &[&str]) -> Result<Written, FromRunError> {
    let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
    from_run(&words, Path::new("/home/me"), &known)
}

fn own(line: &[&str]) -> String {
    let written = made(line).unwrap();
    let text = written.unit.to_string();
    let own = text.split("[Container]\n").nth(1).unwrap();
    own.split("\n\n").next().unwrap().to_owned()
}

#[test]
fn a_value_that_its_flag_cannot_have_is_refused_and_what_systemd_does_otherwise_is_noted() {
    let refused = |line: &[&str]| made(&[&["podman", "run"], line].concat()).unwrap_err().to_string();
    assert_eq!(
        refused(&["--restart", "sometimes", "x"]),
        r#"invalid argument "sometimes" for --restart: write no, always, on-failure or unless-stopped"#
    );
    assert_eq!(
        refused(&["--read-only=perhaps", "x"]),
        r#"invalid argument "perhaps" for --read-only: write true or false"#
    );
    assert_eq!(refused(&["."]), r#""." cannot be the name of a unit"#);
    assert_eq!(refused(&["--name", "a b", "x"]), r#""a b" cannot be the name of a unit"#);
    let counted = made(&["podman", "run", "--restart", "on-failure:3", "x"]).unwrap();
    assert!(counted.notes[0].contains("on-failure:3"), "{:?}", counted.notes);
    // An empty one in a unit would be none.
    assert_eq!(own(&["podman", "run", "--entrypoint", "", "x"]), "Image=x\nPodmanArgs=--entrypoint=");
    assert_eq!(made(&["podman", "run", "--rootfs=true", "."]).unwrap().name.to_string(), "me.container");
}

#[test]
fn every_flag_becomes_its_key() {
    let line = [
        "podman",
        "run",
        "-dp8080:80",
        "--name",
        "web",
        "-e",
        "A=b c",
        "-e",
        "HOME",
        "-v",
        "./data:/data:Z",
        "--init",
        "--security-opt",
        "label=disable",
        "--security-opt",
        "seccomp=/s.json",
        "--security-opt",
        "x=y",
        "--user",
        "1:2",
        "--label",
        "io.containers.autoupdate=registry",
        "--cap-add=NET_ADMIN",
        "--restart",
        "unless-stopped",
        "--blkio-weight",
        "5",
        "docker.io/library/nginx:1",
        "sh",
        "-c",
        "echo $A 100%",
    ];
    assert_eq!(
        own(&line),
        "Image=docker.io/library/nginx:1\nPublishPort=8080:80\nContainerName=web\nEnvironment=\"A=b c\"\n\
         PodmanArgs=--env=HOME\nVolume=/home/me/data:/data:Z\nRunInit=true\nSecurityLabelDisable=true\n\
         SeccompProfile=/s.json\nPodmanArgs=--security-opt=x=y\nUser=1\nGroup=2\nAutoUpdate=registry\n\
         AddCapability=NET_ADMIN\nPodmanArgs=--blkio-weight=5\nExec=sh -c \"echo $$A 100%%\""
    );
    let written = made(&line).unwrap();
    assert_eq!(written.name.to_string(), "web.container");
    assert_eq!(written.unit.last("Service", "Restart").unwrap().value, "always");
    assert_eq!(written.unit.last("Install", "WantedBy").unwrap().value, "default.target");
}

#[test]
fn without_a_name_it_is_called_as_its_image() {
    for (image, name) in [("quay.io/a/b:1", "b"), ("localhost:5000/x@sha256:00", "x"), ("nginx", "nginx")] {
        assert_eq!(made(&["docker", "run", image]).unwrap().name.stem(), name);
    }
}

#[test]
fn what_runs_no_container_is_refused() {
    for line in [&["ls"][..], &["podman"], &["podman", "ps"], &[]] {
        assert!(matches!(made(line), Err(FromRunError::NoRun(_))), "{line:?}");
    }
    assert_eq!(made(&["podman", "run", "-d"]).unwrap_err(), FromRunError::NoImage);
    assert_eq!(made(&["podman", "run", "--nonsense", "x"]).unwrap_err(), FromRunError::Unknown("--nonsense".into()));
    assert_eq!(made(&["podman", "run", "-e"]).unwrap_err(), FromRunError::NoValue("-e".into()));
    assert_eq!(
        made(&["podman", "--log-level=x", "run", "y"]).unwrap_err(),
        FromRunError::Global("--log-level=x".into())
    );
    assert!(matches!(made(&["podman", "run", "--name", "a/b", "x"]), Err(FromRunError::Name(_))));
}

#[test]
fn the_service_of_it_runs_the_same() {
    let line = ["podman", "run", "--env", "A=$B%c", "--tmpfs", "/x", "--log-opt", "a=b", "localhost/x", "a b", "\"c\""];
    let Written { name, unit, .. } = made(&line).unwrap();
    // As it is read from its file.
    let path = Path::new("/u/x.container");
    let (unit, problems) = Unit::parse(&unit.to_string(), &Arc::from(path), 1);
    assert!(problems.is_empty(), "{problems:?}");
    let sources = [Source { path: path.into(), folder: "/u".into(), name, unit, problems }];
    let settings = Settings { program: "/h".into(), user: true, is_there: |_| true };
    let outcomes = generate(&sources, &settings);
    assert!(outcomes[0].problems.is_empty(), "{:?}", outcomes[0].problems);
    let start = &outcomes[0].service.as_ref().unwrap().unit.last("Service", "ExecStart").unwrap().value;
    for part in ["--env A=$$B%%c", "--tmpfs /x", "--log-opt a=b", "localhost/x \"a b\""] {
        assert!(start.contains(part), "{start}: {part}");
    }
    let words: Vec<String> = words::split(start).words.into_iter().map(|word| word.text).collect();
    assert_eq!(&words[words.len() - 2..], ["a b", "\"c\""]);
}

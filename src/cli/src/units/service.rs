// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A service of systemd's own for a container (systemd.service(5)), as Podman makes them beside Quadlet: of a container that is there and
//! is started and stopped, or of the command that made it, which makes it anew at each start.

use std::fmt::Write as _;

use haulout_quadlet::{Flag, FromRunError, Said, said, words};

/// How long, beside the container's own time to stop, its removal may take: in seconds.
const AFTERWARDS: u64 = 60;

/// What the service is called, and what it says beside the container.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Its name, without `.service`; of a template without `@`.
    pub name: String,
    /// Whether it is a template.
    pub template: bool,
    /// The program, as it is called: `Podman`.
    pub title: String,
    /// Comments under the name.
    pub header: Vec<String>,
    /// The manual page that says more.
    pub manual: String,
    /// The folder that has to be there.
    pub folder: String,
    /// Units for `Wants=`, `After=` and `Requires=`.
    pub dependencies: [Vec<String>; 3],
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// `Restart=`.
    pub restart: String,
    /// How often it is tried, if that is limited.
    pub tries: Option<u32>,
    /// `RestartSec=`, in seconds, if any.
    pub restart_sec: Option<u64>,
    /// `TimeoutStartSec=`, in seconds.
    pub start_timeout: Option<u64>,
    /// How long the container has to stop, in seconds.
    pub stop_timeout: u64,
}

/// What the service runs.
pub enum Runs {
    /// A container that is there.
    Start {
        /// The program and its own options.
        program: Vec<String>,
        /// Its name or id.
        container: String,
        /// Where its monitor says its process id.
        pid_file: String,
    },
    /// One that it makes.
    Make {
        /// The program and its own options.
        program: Vec<String>,
        /// The whole command, in place of which `program` is that of it.
        command: Vec<String>,
        /// Where its relative paths begin, if it has some.
        folder: Option<String>,
    },
}

impl Frame {
    /// The name of its file.
    pub fn file(&self) -> String {
        format!("{}{}.service", self.name, if self.template { "@" } else { "" })
    }

    /// The file's text.
    pub fn text(&self, runs: &Runs) -> String {
        let mut text = format!("# {}\n", self.file());
        let mut line = |line: &str| {
            let _ = writeln!(text, "{line}");
        };
        self.header.iter().for_each(|comment| line(&format!("# {comment}")));
        line("\n[Unit]");
        let whose = if self.template { " for %I" } else { "" };
        line(&format!("Description={} {}.service{whose}", self.title, self.name));
        line(&format!("Documentation=man:{}(1)", self.manual));
        line("Wants=network-online.target\nAfter=network-online.target");
        line(&format!("RequiresMountsFor={}", words::quote(&self.folder)));
        if let Some(tries) = self.tries {
            line(&format!("StartLimitBurst={tries}"));
        }
        if self.dependencies.iter().any(|units| !units.is_empty()) {
            line("\n# User-defined dependencies");
            for (key, units) in ["Wants", "After", "Requires"].iter().zip(&self.dependencies) {
                if !units.is_empty() {
                    line(&format!("{key}={}", units.join(" ")));
                }
            }
        }
        line("\n[Service]\nEnvironment=PODMAN_SYSTEMD_UNIT=%n");
        self.environment.iter().for_each(|variable| line(&format!("Environment={}", quoted(variable))));
        line(&format!("Restart={}", self.restart));
        for (key, seconds) in [("RestartSec", self.restart_sec), ("TimeoutStartSec", self.start_timeout)] {
            if let Some(seconds) = seconds {
                line(&format!("{key}={seconds}"));
            }
        }
        line(&format!("TimeoutStopSec={}", AFTERWARDS.saturating_add(self.stop_timeout)));
        line(&runs.lines(self.stop_timeout));
        line("\n[Install]\nWantedBy=default.target");
        text
    }
}

impl Runs {
    fn lines(&self, stop_timeout: u64) -> String {
        match self {
            Self::Start { program, container, pid_file } => {
                let program = command(program.iter().map(|word| literal(word)));
                let container = literal(container);
                let stop = format!("{program} stop  \\\n\t-t {stop_timeout} {container}");
                format!(
                    "ExecStart={program} start {container}\nExecStop={stop}\nExecStopPost={stop}\nPIDFile={}\nType=forking",
                    escaped(pid_file)
                )
            }
            Self::Make { program, command: made, folder } => {
                let program = command(program.iter().map(|word| literal(word)));
                let made = command(made.iter().map(String::clone));
                let folder = folder.as_ref().map(|folder| format!("WorkingDirectory=-{}\n", escaped(folder)));
                let after = format!("--ignore -t {stop_timeout} \\\n\t--cidfile=%t/%n.ctr-id");
                format!(
                    "{}ExecStart={made}\nExecStop={program} stop \\\n\t{after}\nExecStopPost={program} rm \\\n\t-f \\\n\t{after}\nType=notify\nNotifyAccess=all",
                    folder.unwrap_or_default()
                )
            }
        }
    }
}

/// Words as they are read best: an option begins a line.
fn command(words: impl Iterator<Item = String>) -> String {
    let mut line = String::new();
    for word in words {
        let before = match (line.is_empty(), word.starts_with('-')) {
            (true, _) => "",
            (false, true) => " \\\n\t",
            (false, false) => " ",
        };
        line.push_str(before);
        line.push_str(&word);
    }
    line
}

/// A word of a command that means itself: neither variables nor specifiers are in it.
fn literal(word: &str) -> String {
    words::quote(&escaped(word).replace('$', "$$"))
}

/// The same where there are no variables (systemd.exec(5), `Environment=`).
fn quoted(word: &str) -> String {
    words::quote(&escaped(word))
}

fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

/// The command of a service that makes its container: `made` again, with what a service needs of a command. `known` says which flag of
/// `run` a name is.
///
/// What it answers is quoted; `template` has the name of each instance in the container's, which is called `name` where it has none.
///
/// # Errors
/// It is no command that makes a container, or a flag of it is not known.
pub fn remade(
    program: &[String],
    made: &[String],
    known: &dyn Fn(&str) -> Option<Flag>,
    template: bool,
    name: &str,
) -> Result<Made, FromRunError> {
    let no_run = || FromRunError::NoRun(made.join(" "));
    let verb = made.iter().position(|word| ["run", "create"].contains(&word.as_str())).ok_or_else(no_run)?;
    let before = made.get(1..verb).ok_or_else(no_run)?;
    let (flags, rest) = said(&made[verb + 1..], known)?;
    let given = |long: &str| flags.iter().rev().find_map(|said| said.value(long));
    let notifies = given("sdnotify").is_some_and(|mode| mode != "ignore");
    let detached = given("detach").is_some_and(|value| value != "false");
    let mut words: Vec<String> = program.iter().chain(before).map(|word| literal(word)).collect();
    words.push("run".to_owned());
    if template && given("name").is_none() {
        words.push(format!("--name={}-%i", literal(name)));
    }
    words.extend(["--cidfile=%t/%n.ctr-id", "--cgroups=no-conmon", "--rm"].map(str::to_owned));
    words.extend((!notifies).then(|| "--sdnotify=conmon".to_owned()));
    words.extend((!detached).then(|| "-d".to_owned()));
    words.extend(given("name").is_some().then(|| "--replace".to_owned()));
    let left_out = |said: &Said<'_>| match only(said) {
        Some(("cidfile" | "cgroups" | "rm" | "replace" | "restart", _)) => true,
        Some(("sdnotify", mode)) => mode == "ignore",
        Some(("detach", _)) => !detached,
        _ => false,
    };
    for said in flags.iter().filter(|said| !left_out(said)) {
        words.extend(said.words.iter().map(|word| literal(word)));
        if let (true, Some(("name", _)), Some(last)) = (template, only(said), words.last_mut()) {
            last.push_str("-%i");
        }
    }
    words.extend(rest.iter().map(|word| literal(word)));
    let relative = flags.iter().flat_map(|said| &said.flags).any(|(flag, value)| is_relative(flag, value));
    Ok(Made { words, restart: given("restart").map(str::to_owned), relative })
}

/// A command of a service.
pub struct Made {
    /// Its words, quoted.
    pub words: Vec<String>,
    /// What was said with `--restart`, which is systemd's business now.
    pub restart: Option<String>,
    /// Whether it has paths that begin in the folder where it was typed.
    pub relative: bool,
}

/// Whether a path that a flag names begins in the folder where it was typed.
fn is_relative(flag: &str, value: &str) -> bool {
    let begins = |text: &str| text.starts_with("./") || text.starts_with("../");
    match flag {
        "env-file" | "label-file" => !value.starts_with('/'),
        "mount" => {
            let source =
                value.split(',').find_map(|field| field.strip_prefix("source=").or(field.strip_prefix("src=")));
            value.split(',').any(|field| field == "type=bind") && source.is_some_and(|path| !path.starts_with('/'))
        }
        _ => begins(value) || value.split_once('=').is_some_and(|(_, value)| begins(value)),
    }
}

/// The flag and its value, of what says only one.
fn only<'a>(said: &'a Said<'_>) -> Option<(&'a str, &'a str)> {
    match said.flags.as_slice() {
        [(flag, value)] => Some((flag, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some flags of `run`.
    fn known(name: &str) -> Option<Flag> {
        let long = match name {
            "d" | "detach" => "detach",
            "t" | "tty" => "tty",
            "e" | "env" => "env",
            "v" | "volume" => "volume",
            "mount" | "security-opt" | "rm" | "replace" | "name" | "restart" | "sdnotify" | "cidfile" | "cgroups"
            | "env-file" => name,
            _ => return None,
        };
        let takes_value = !["detach", "tty", "rm", "replace"].contains(&long);
        Some(Flag { long: long.to_owned(), takes_value })
    }

    fn again(command: &str, template: bool) -> Made {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        remade(&["/usr/bin/podman".to_owned()], &words, &known, template, "container-c").unwrap()
    }

    #[test]
    fn a_command_is_made_one_of_a_service() {
        let own = "--cidfile=%t/%n.ctr-id --cgroups=no-conmon --rm";
        for (command, expected) in [
            ("podman create img", format!("run {own} --sdnotify=conmon -d img")),
            ("podman run --name c img a -d", format!("run {own} --sdnotify=conmon -d --replace --name c img a -d")),
            ("x run -dt --name=c img", format!("run {own} --sdnotify=conmon --replace -dt --name=c img")),
            ("x run -d=false img", format!("run {own} --sdnotify=conmon -d img")),
            ("x run --rm --replace --restart always --cidfile=/x img", format!("run {own} --sdnotify=conmon -d img")),
            ("x run --sdnotify ignore --cgroups split img", format!("run {own} --sdnotify=conmon -d img")),
            ("x run --sdnotify=healthy img", format!("run {own} -d --sdnotify=healthy img")),
            ("x --root /r container create img", format!("--root /r container run {own} --sdnotify=conmon -d img")),
            ("x run -eA=%h -v /a:$b -- img", format!("run {own} --sdnotify=conmon -d -eA=%%h -v /a:$$b -- img")),
        ] {
            assert_eq!(again(command, false).words.join(" "), format!("/usr/bin/podman {expected}"), "{command}");
        }
        assert_eq!(again("x run --restart on-failure:3 img", false).restart.as_deref(), Some("on-failure:3"));
        assert!(remade(&[], &["podman".to_owned(), "start".to_owned()], &known, false, "").is_err());
        assert!(remade(&[], &["podman".to_owned(), "run".to_owned(), "--what".to_owned()], &known, false, "").is_err());
    }

    #[test]
    fn each_instance_of_a_template_has_a_container_of_its_own() {
        let with = |command| again(command, true).words.join(" ");
        assert!(with("x run --name c img").ends_with("--replace --name c-%i img"));
        assert!(with("x run img").contains("run --name=container-c-%i --cidfile"));
    }

    #[test]
    fn paths_that_begin_in_a_folder_are_seen() {
        for (command, relative) in [
            ("x run -v ./a:/b img", true),
            ("x run --volume=../a:/b img", true),
            ("x run -v./a:/b img", true),
            ("x run --env-file vars img", true),
            ("x run --mount type=bind,src=a,dst=/b img", true),
            ("x run --mount type=bind,src=/a,dst=/b --mount type=volume,src=a,dst=/c img", false),
            ("x run --security-opt seccomp=./s.json img", true),
            ("x run -v /a:/b img ./x", false),
        ] {
            assert_eq!(again(command, false).relative, relative, "{command}");
        }
    }

    #[test]
    fn what_has_blanks_or_means_something_to_systemd_means_itself() {
        assert_eq!(literal("a b"), "\"a b\"");
        assert_eq!(literal("100% $HOME"), "\"100%% $$HOME\"");
        assert_eq!(quoted("A=100% $HOME"), "\"A=100%% $HOME\"");
        assert_eq!(literal(";"), "\\;");
        assert_eq!(literal("a\\b"), "\"a\\\\b\"");
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who keeps what secrets hide: a file, a file that gpg(1) encrypts (as pass(1) has them), or commands of the user's.
//!
//! What is hidden goes to programs by their standard input and comes by their output, never by an argument or a variable.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Record, SecretError, TOO_LONG, keep};
use crate::paths::Paths;

/// Where pass(1) has its files.
const PASSWORD_STORE: &str = ".password-store";

/// What the shell driver is told.
const COMMANDS: [&str; 4] = ["list", "lookup", "store", "delete"];

/// Decides what the driver's options leave open, so that it is found again wherever the settings go.
pub(super) fn complete(record: &mut Record, paths: &Paths) -> Result<(), SecretError> {
    match record.driver.as_str() {
        "file" => {
            record.options.entry("path".to_owned()).or_insert_with(|| paths.secrets().display().to_string());
        }
        "pass" => {
            if !record.options.contains_key("root") {
                let home = std::env::var_os("PASSWORD_STORE_DIR")
                    .map(PathBuf::from)
                    .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(PASSWORD_STORE)));
                let home = home.ok_or(SecretError::Option { driver: "pass", option: "root" })?;
                record.options.insert("root".to_owned(), home.display().to_string());
            }
        }
        "shell" => {
            for option in COMMANDS {
                if record.options.get(option).is_none_or(String::is_empty) {
                    return Err(SecretError::Option { driver: "shell", option });
                }
            }
        }
        _ => return Err(SecretError::Driver),
    }
    Ok(())
}

/// The file that holds it, if that is what the driver does.
pub(super) fn file(record: &Record) -> Option<PathBuf> {
    let option = |name: &str| record.options.get(name).map(PathBuf::from);
    match record.driver.as_str() {
        "file" => Some(option("path")?.join(&record.id)),
        "pass" => Some(option("root")?.join(format!("{}.gpg", record.id))),
        _ => None,
    }
}

fn failed<'a>(doing: &'static str, record: &'a Record, path: &'a Path) -> impl FnOnce(io::Error) -> SecretError + 'a {
    move |source| SecretError::File { doing, name: record.name.clone(), path: path.to_owned(), source }
}

/// Keeps `data`.
pub(super) fn put(record: &Record, data: &[u8]) -> Result<(), SecretError> {
    let doing = "creating";
    let Some(path) = file(record) else {
        return shell(doing, record, "store", Some(data)).map(drop);
    };
    let folder = path.parent().unwrap_or(&path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(doing, record, folder))?;
    if record.driver == "file" {
        let sync = |()| fs::File::open(folder)?.sync_all();
        return keep::write_whole(&path, data).and_then(sync).map_err(failed(doing, record, &path));
    }
    let key = if let Some(key) = record.options.get("key") {
        key.clone()
    } else {
        let ids = folder.join(".gpg-id");
        let text = fs::read_to_string(&ids).map_err(failed(doing, record, &ids))?;
        text.lines().next().unwrap_or_default().trim().to_owned()
    };
    let arguments = ["--encrypt", "--recipient"].map(OsString::from).into_iter().chain([key.into()]);
    let arguments = arguments.chain(["--output".into(), path.clone().into_os_string()]);
    let kept = run(doing, record, gpg(record).args(arguments), Some(data)).map(drop);
    if kept.is_err() {
        let _ = fs::remove_file(&path);
    }
    kept
}

/// What was kept.
pub(super) fn get(record: &Record) -> Result<Vec<u8>, SecretError> {
    let doing = "reading";
    let Some(path) = file(record) else {
        return shell(doing, record, "lookup", None);
    };
    if record.driver == "file" {
        return read(&path).map_err(failed(doing, record, &path));
    }
    run(doing, record, gpg(record).arg("--decrypt").arg(&path), None)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    fs::File::open(path)?.take(TOO_LONG as u64).read_to_end(&mut data)?;
    Ok(data)
}

/// Forgets it.
pub(super) fn delete(record: &Record) -> Result<(), SecretError> {
    let doing = "removing";
    let Some(path) = file(record) else {
        return shell(doing, record, "delete", None).map(drop);
    };
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(doing, record, &path)(error)),
        _ => Ok(()),
    }
}

fn gpg(record: &Record) -> Command {
    let mut command = Command::new("gpg");
    if let Some(home) = record.options.get("gpghomedir") {
        command.arg("--homedir").arg(home);
    }
    command.args(["--batch", "--quiet", "--yes", "--trust-model", "always"]);
    command
}

/// One of the user's commands.
fn shell(
    doing: &'static str,
    record: &Record,
    option: &'static str,
    data: Option<&[u8]>,
) -> Result<Vec<u8>, SecretError> {
    let line = record.options.get(option).ok_or(SecretError::Option { driver: "shell", option })?;
    run(doing, record, Command::new("/bin/sh").arg("-c").arg(line).env("SECRET_ID", &record.id), data)
}

/// Runs a program that is given `data`; what it prints on standard error is for the user to see.
fn run(
    doing: &'static str,
    record: &Record,
    command: &mut Command,
    data: Option<&[u8]>,
) -> Result<Vec<u8>, SecretError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |how: String| SecretError::Program { doing, name: record.name.clone(), program: program.clone(), how };
    let input = if data.is_some() { Stdio::piped() } else { Stdio::null() };
    let spawned = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed("it is not installed".to_owned()),
        _ => failed(error.to_string()),
    })?;
    let output = std::thread::scope(|scope| {
        if let (Some(mut stdin), Some(data)) = (child.stdin.take(), data) {
            // One that does not want all of it says how it ended.
            scope.spawn(move || stdin.write_all(data));
        }
        let mut output = Vec::new();
        let read = child.stdout.take().map(|stdout| stdout.take(TOO_LONG as u64).read_to_end(&mut output));
        read.unwrap_or(Ok(0)).map(|_| output)
    });
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(match status.code() {
            Some(code) => format!("exit status {code}"),
            None => status.to_string(),
        }));
    }
    output.map_err(|error| failed(error.to_string()))
}

// SPDX-License-Identifier: GPL-3.0-or-later
//! The unit that runs what a container runs, as `haulout generate quadlet` makes it: that alone knows every flag of the command line.

use std::io;

use haulout_engine::container::ContainerId;
use relm4::tokio::process::Command;
use serde_json::Value;

use super::{Failure, Reason, worker};

/// A unit that is not written yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What its file is to be called, without what its kind is called.
    pub stem: String,
    pub text: String,
    /// What the unit's container will be called.
    pub container: String,
    /// What of the container is not in it, in the engine's words.
    pub notes: Vec<String>,
}

/// Of the container `id`.
pub async fn of(id: ContainerId) -> Result<Draft, Failure> {
    let failed = |error: io::Error| Failure {
        reason: Reason::NoWorker,
        details: vec!["running haulout generate quadlet".to_owned(), error.to_string()],
    };
    let program = worker::program().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let mut command = Command::new(program);
    command.args(["generate", "quadlet", "--format", "json", &id.to_string()]).kill_on_drop(true);
    let output = command.output().await.map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("Error: ").to_owned();
        return Err(Failure { reason: Reason::Other, details: vec![said] });
    }
    read(&output.stdout).ok_or_else(|| Failure {
        reason: Reason::Other,
        details: vec!["haulout generate quadlet said something that is not understood".to_owned()],
    })
}

fn read(said: &[u8]) -> Option<Draft> {
    let said: Value = serde_json::from_slice(said).ok()?;
    let text = |key: &str| said.get(key).and_then(Value::as_str).map(str::to_owned);
    let stem = text("name")?.strip_suffix(".container")?.to_owned();
    let unit = text("text")?;
    let own = haulout_quadlet::edit::values(&unit, "Container", "ContainerName").pop();
    let notes = said.get("notes")?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Some(Draft { container: own.unwrap_or_else(|| format!("systemd-{stem}")), stem, text: unit, notes })
}

#[cfg(test)]
mod tests {
    use super::{Draft, read};

    #[test]
    fn what_the_command_says_is_read_or_refused() {
        let said = br#"{"name":"web.container","text":"[Container]\nContainerName=w\n","notes":["a"]}"#;
        let draft = Draft {
            stem: "web".to_owned(),
            text: "[Container]\nContainerName=w\n".to_owned(),
            container: "w".to_owned(),
            notes: vec!["a".to_owned()],
        };
        assert_eq!(read(said), Some(draft));
        assert_eq!(read(b"{}"), None);
        assert_eq!(read(b"# web.container"), None);
    }
}

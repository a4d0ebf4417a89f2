// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A service of a Compose file as a container's unit: said as the flags of `run`, which become its keys.

use serde_json::Value;

use super::{ComposeError, Project, malformed, map, plain};
use crate::from_run::{Making, Written};
use crate::kind::Kind;
use crate::unit::words;

/// A service, as it is being made.
struct Service<'a> {
    project: &'a Project<'a>,
    name: &'a str,
    said: &'a Value,
    making: Making,
    image: Vec<String>,
    command: Vec<String>,
    needs: Vec<String>,
    /// Whether it says what it is called, and which networks it is in.
    is_named: bool,
    has_network: bool,
}

/// The units of a service; those that somebody waits for until they are well are added to `healthy`.
pub(super) fn units(
    project: &Project<'_>,
    name: &str,
    said: &Value,
    healthy: &mut Vec<String>,
) -> Result<Vec<Written>, ComposeError> {
    let place = format!("services.{name}");
    let entries = said.as_object().ok_or_else(|| malformed(&place, "a map"))?;
    let making = Making::new(project.folder);
    let (image, command, needs) = (Vec::new(), Vec::new(), Vec::new());
    let mut service =
        Service { project, name, said, making, image, command, needs, is_named: false, has_network: false };
    for (key, _) in entries {
        service.take(key, healthy)?;
    }
    if !service.is_named {
        service.making.put("name", &format!("{}-{}-1", project.name, plain(name)));
    }
    if project.shares && !service.has_network {
        service.join("default")?;
    }
    let words = [service.image, service.command].concat();
    if scalar(&said["image"]).is_none_or(|image| image.is_empty()) {
        let what = match said.get("build") {
            Some(_) => "it has no image: what is to be built has to be built before, and named",
            None => "it has no image",
        };
        return Err(ComposeError::Malformed { place, what: what.to_owned() });
    }
    let failed = |why| ComposeError::Service { service: name.to_owned(), why };
    let mut written = service.making.finish(&words).map_err(failed)?;
    written.name = project.unit(name, Kind::Container)?;
    for other in service.needs {
        written.unit.section_mut("Unit").add("Requires", other.as_str());
        written.unit.section_mut("Unit").add("After", other.as_str());
    }
    Ok(vec![written])
}

impl Service<'_> {
    fn place(&self, key: &str) -> String {
        format!("services.{}.{key}", self.name)
    }

    fn take(&mut self, key: &str, healthy: &mut Vec<String>) -> Result<(), ComposeError> {
        let simple = [
            ("user", "user"),
            ("working_dir", "workdir"),
            ("hostname", "hostname"),
            ("restart", "restart"),
            ("stop_signal", "stop-signal"),
            ("shm_size", "shm-size"),
            ("pids_limit", "pids-limit"),
            ("mem_limit", "memory"),
            ("read_only", "read-only"),
            ("init", "init"),
            ("userns_mode", "userns"),
            ("pull_policy", "pull"),
            ("privileged", "privileged"),
            ("network_mode", "network"),
            ("container_name", "name"),
            ("cpus", "cpus"),
            ("ipc", "ipc"),
            ("pid", "pid"),
            ("platform", "platform"),
            ("runtime", "runtime"),
        ];
        let lists = [
            ("cap_add", "cap-add"),
            ("cap_drop", "cap-drop"),
            ("devices", "device"),
            ("tmpfs", "tmpfs"),
            ("dns", "dns"),
            ("dns_search", "dns-search"),
            ("dns_opt", "dns-option"),
            ("security_opt", "security-opt"),
            ("expose", "expose"),
            ("group_add", "group-add"),
        ];
        let pairs = [("environment", "env"), ("labels", "label"), ("annotations", "annotation"), ("sysctls", "sysctl")];
        let flag =
            |table: &[(&str, &'static str)]| table.iter().find(|(known, _)| *known == key).map(|(_, flag)| *flag);
        if let Some(flag) = flag(&simple) {
            self.is_named |= flag == "name";
            self.has_network |= flag == "network";
            let value = scalar(&self.said[key]).ok_or_else(|| malformed(&self.place(key), "a text"))?;
            self.making.put(flag, &value);
            return Ok(());
        }
        if let Some(flag) = flag(&lists) {
            for value in self.list(key)? {
                let value = scalar(&value).ok_or_else(|| malformed(&self.place(key), "a list of texts"))?;
                self.making.put(flag, &value);
            }
            return Ok(());
        }
        if let Some(flag) = flag(&pairs) {
            for pair in self.pairs(key, "=")? {
                self.making.put(flag, &pair);
            }
            return Ok(());
        }
        self.take_special(key, healthy)
    }

    fn take_special(&mut self, key: &str, healthy: &mut Vec<String>) -> Result<(), ComposeError> {
        match key {
            "image" => self.image = vec![scalar(&self.said[key]).ok_or_else(|| malformed(&self.place(key), "a text"))?],
            "command" => self.command = self.words(key)?,
            "entrypoint" => {
                let words = self.words(key)?;
                let text = Value::from(words).to_string();
                self.making.put("entrypoint", &text);
            }
            "extra_hosts" => {
                for host in self.pairs(key, ":")? {
                    self.making.put("add-host", &host);
                }
            }
            "env_file" => {
                for file in self.list(key)? {
                    let path = scalar(&file).or_else(|| scalar(&file["path"]));
                    self.making.put("env-file", &path.ok_or_else(|| malformed(&self.place(key), "a list of paths"))?);
                }
            }
            "ports" => {
                for port in self.list(key)? {
                    let text = port_text(&port).ok_or_else(|| malformed(&self.place(key), "a list of ports"))?;
                    self.making.put("publish", &text);
                }
            }
            "volumes" => self.volumes()?,
            "networks" => self.networks()?,
            "depends_on" => self.depends(healthy)?,
            "healthcheck" => self.health()?,
            "stop_grace_period" => {
                let seconds = scalar(&self.said[key]).and_then(|text| seconds(&text));
                let seconds = seconds.ok_or_else(|| malformed(&self.place(key), "a duration"))?;
                self.making.put("stop-timeout", &seconds.to_string());
            }
            "logging" => {
                if let Some(driver) = self.said[key]["driver"].as_str() {
                    self.making.put("log-driver", driver);
                }
                for (name, value) in map(&self.said[key], "options", &self.place("logging."))? {
                    self.making.put("log-opt", &format!("{name}={}", scalar(&value).unwrap_or_default()));
                }
            }
            _ if key.starts_with("x-") => {}
            _ => self.making.notes.push(format!("{key} of service {} is left out", self.name)),
        }
        Ok(())
    }

    /// One or many.
    fn list(&self, key: &str) -> Result<Vec<Value>, ComposeError> {
        match &self.said[key] {
            Value::Null => Ok(Vec::new()),
            Value::Array(list) => Ok(list.clone()),
            one @ Value::String(_) => Ok(vec![one.clone()]),
            _ => Err(malformed(&self.place(key), "a list")),
        }
    }

    /// A map, or a list of what a map would say.
    fn pairs(&self, key: &str, between: &str) -> Result<Vec<String>, ComposeError> {
        let Value::Object(map) = &self.said[key] else {
            let texts = self.list(key)?.iter().map(scalar).collect::<Option<Vec<_>>>();
            return texts.ok_or_else(|| malformed(&self.place(key), "a map, or a list of texts"));
        };
        let pair = |(name, value): (&String, &Value)| match value {
            // Of whoever runs it.
            Value::Null => Some(name.clone()),
            value => Some(format!("{name}{between}{}", scalar(value)?)),
        };
        let pairs = map.iter().map(pair).collect::<Option<Vec<_>>>();
        pairs.ok_or_else(|| malformed(&self.place(key), "a map of texts"))
    }

    /// A command: its words, or a line of a shell's.
    fn words(&self, key: &str) -> Result<Vec<String>, ComposeError> {
        let wrong = || malformed(&self.place(key), "a command");
        match &self.said[key] {
            Value::Null => Ok(Vec::new()),
            Value::String(line) => Ok(words::split(line).words.into_iter().map(|word| word.text).collect()),
            Value::Array(list) => list.iter().map(scalar).collect::<Option<_>>().ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    fn volumes(&mut self) -> Result<(), ComposeError> {
        for volume in self.list("volumes")? {
            if volume["type"] == "tmpfs" {
                self.making.put("tmpfs", volume["target"].as_str().unwrap_or_default());
                continue;
            }
            let text = match &volume {
                Value::String(text) => text.clone(),
                Value::Object(_) => {
                    let target = volume["target"].as_str().unwrap_or_default();
                    let end = if volume["read_only"] == Value::Bool(true) { ":ro" } else { "" };
                    match volume["source"].as_str() {
                        Some(source) => format!("{source}:{target}{end}"),
                        None => target.to_owned(),
                    }
                }
                _ => return Err(malformed(&self.place("volumes"), "a list of volumes")),
            };
            let text = match text.split_once(':') {
                Some((name, rest)) if self.project.volumes.contains_key(name) => {
                    let declared = &self.project.volumes[name];
                    if super::is_external(declared) {
                        format!("{}:{rest}", declared["name"].as_str().unwrap_or(name))
                    } else {
                        format!("{}:{rest}", self.project.unit(name, Kind::Volume)?)
                    }
                }
                _ => text,
            };
            self.making.put("volume", &text);
        }
        Ok(())
    }

    fn networks(&mut self) -> Result<(), ComposeError> {
        self.has_network = true;
        if let Value::Object(networks) = &self.said["networks"] {
            for (name, said) in networks {
                self.join(name)?;
                for alias in said["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    self.making.put("network-alias", alias);
                }
            }
            return Ok(());
        }
        for name in self.list("networks")? {
            let name = name
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| malformed(&self.place("networks"), "a list of names"))?;
            self.join(&name)?;
        }
        Ok(())
    }

    /// Puts it into a network, in which it is called as its service.
    fn join(&mut self, name: &str) -> Result<(), ComposeError> {
        let declared = self.project.networks.get(name);
        let network = match declared.filter(|declared| super::is_external(declared)) {
            Some(external) => external["name"].as_str().unwrap_or(name).to_owned(),
            None if name == "default" && !self.project.shares => return Ok(()),
            None if name == "default" || declared.is_some() => self.project.unit(name, Kind::Network)?.to_string(),
            None => {
                return Err(malformed(&self.place("networks"), &format!("networks of the file, which has no {name}")));
            }
        };
        let (own, alias) = (self.name.to_owned(), "network-alias");
        self.making.put("network", &network);
        if !self.making.has("NetworkAlias", &own) {
            self.making.put(alias, &own);
        }
        Ok(())
    }

    fn depends(&mut self, healthy: &mut Vec<String>) -> Result<(), ComposeError> {
        let names: Vec<(String, bool)> = if let Value::Object(map) = &self.said["depends_on"] {
            map.iter().map(|(name, said)| (name.clone(), said["condition"] == "service_healthy")).collect()
        } else {
            let list = self.list("depends_on")?;
            let names = list.iter().map(|name| Some((scalar(name)?, false))).collect::<Option<_>>();
            names.ok_or_else(|| malformed(&self.place("depends_on"), "a list of services"))?
        };
        for (name, waits) in names {
            let unit = self.project.unit(&name, Kind::Container)?.to_string();
            if waits {
                healthy.push(unit.clone());
            }
            self.needs.push(unit);
        }
        Ok(())
    }

    fn health(&mut self) -> Result<(), ComposeError> {
        let said = &self.said["healthcheck"];
        if said["disable"] == Value::Bool(true) {
            self.making.put("no-healthcheck", "true");
            return Ok(());
        }
        let wrong =
            || malformed(&self.place("healthcheck.test"), "a text, or a list that begins with CMD or CMD-SHELL");
        let command = match &said["test"] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Array(list) => {
                let words = list.iter().map(scalar).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
                match words.split_first() {
                    Some((kind, [line])) if kind == "CMD-SHELL" => Some(line.clone()),
                    Some((kind, words)) if kind == "CMD" => Some(Value::from(words.to_vec()).to_string()),
                    Some((kind, _)) if kind == "NONE" => Some("none".to_owned()),
                    _ => return Err(wrong()),
                }
            }
            _ => return Err(wrong()),
        };
        if let Some(command) = command {
            self.making.put("health-cmd", &command);
        }
        let options = [
            ("interval", "health-interval"),
            ("timeout", "health-timeout"),
            ("retries", "health-retries"),
            ("start_period", "health-start-period"),
        ];
        for (key, flag) in options {
            if let Some(value) = scalar(&said[key]) {
                self.making.put(flag, &value);
            }
        }
        Ok(())
    }
}

/// A text, number or truth as a text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A port as `--publish` has it.
fn port_text(port: &Value) -> Option<String> {
    if let Some(text) = scalar(port) {
        return Some(text);
    }
    let target = scalar(port.get("target")?)?;
    let protocol = port["protocol"].as_str().map_or_else(String::new, |protocol| format!("/{protocol}"));
    let published = scalar(&port["published"]).map_or_else(String::new, |published| format!("{published}:"));
    let address = port["host_ip"].as_str().map_or_else(String::new, |address| format!("{address}:"));
    Some(format!("{address}{published}{target}{protocol}"))
}

/// `1h30m20s` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let mut all: u64 = 0;
    let mut digits = String::new();
    for char in text.chars() {
        let factor = match char {
            '0'..='9' => {
                digits.push(char);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        all = all.checked_add(std::mem::take(&mut digits).parse::<u64>().ok()?.checked_mul(factor)?)?;
    }
    digits.is_empty().then_some(all)
}

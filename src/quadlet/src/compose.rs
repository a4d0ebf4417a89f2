// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Units of a Compose file (the Compose Specification): a container for each service, its volumes and networks.

mod service;
mod variables;

use std::path::Path;

use serde_json::{Map, Value};

use crate::from_run::{FromRunError, Written};
use crate::kind::{Kind, UnitName};
use crate::unit::Unit;

/// The file is none that units can be made of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// It is no YAML.
    #[error("reading the Compose file: {0}")]
    Yaml(String),
    /// It has no services.
    #[error("the Compose file has no services")]
    NoServices,
    /// Something in it is not what it should be.
    #[error("{place}: {what}")]
    Malformed {
        /// Where: `services.web.ports`.
        place: String,
        /// What should be there.
        what: String,
    },
    /// A service that no container can be made of.
    #[error("services.{service}: {why}")]
    Service {
        /// Its name.
        service: String,
        /// Why.
        why: FromRunError,
    },
    /// A variable that has to be set.
    #[error("the variable {name} is not set: {message}")]
    Variable {
        /// The variable.
        name: String,
        /// What the file says of it.
        message: String,
    },
}

/// What all services of a file have in common.
struct Project<'a> {
    /// What its units' names begin with.
    name: String,
    /// Where relative paths begin.
    folder: &'a Path,
    /// The networks and volumes that it declares.
    networks: Map<String, Value>,
    volumes: Map<String, Value>,
    /// Whether its services have a network of their own in common.
    shares: bool,
}

/// Makes the units. `folder` is the one that the file is in, `variable` what the environment has.
///
/// # Errors
/// What of the file cannot be understood, and where.
pub fn from_compose(
    text: &str,
    folder: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Written>, ComposeError> {
    let mut file: Value = serde_saphyr::from_str(text).map_err(|error| ComposeError::Yaml(error.to_string()))?;
    variables::fill_in(&mut file, variable)?;
    let services = map(&file, "services", "")?;
    if services.is_empty() {
        return Err(ComposeError::NoServices);
    }
    let by_folder = || folder.file_name().and_then(|name| name.to_str()).unwrap_or("compose").to_owned();
    let project = Project {
        name: plain(&file["name"].as_str().map_or_else(by_folder, str::to_owned)),
        folder,
        networks: map(&file, "networks", "")?,
        volumes: map(&file, "volumes", "")?,
        shares: services.len() > 1,
    };
    let mut all = Vec::new();
    let mut healthy = Vec::new();
    for (name, service) in &services {
        all.extend(service::units(&project, name, service, &mut healthy)?);
    }
    for unit in healthy {
        // Who waits for its health waits for its service.
        if let Some(written) = all.iter_mut().find(|written| written.name.to_string() == unit) {
            written.unit.section_mut(Kind::Container.section()).set("Notify", "healthy");
        }
    }
    for (name, volume) in project.volumes.iter().filter(|(_, volume)| !is_external(volume)) {
        all.push(resource(&project, Kind::Volume, name, volume)?);
    }
    let declared = project.networks.iter().filter(|(name, network)| *name != "default" && !is_external(network));
    for (name, network) in declared {
        all.push(resource(&project, Kind::Network, name, network)?);
    }
    let default_unit = project.unit("default", Kind::Network)?.to_string();
    let is_used = all.iter().any(|written| {
        let section = written.unit.section(Kind::Container.section());
        section.is_some_and(|section| section.all("Network").iter().any(|entry| entry.value == default_unit))
    });
    if is_used {
        let default = project.networks.get("default").cloned().unwrap_or_default();
        if !is_external(&default) {
            all.push(resource(&project, Kind::Network, "default", &default)?);
        }
    }
    if let Some(first) = all.first_mut() {
        let known = ["services", "networks", "volumes", "name", "version"];
        let top = file.as_object().into_iter().flatten().map(|(key, _)| key);
        let others = top.filter(|key| !known.contains(&key.as_str()) && !key.starts_with("x-"));
        first.notes.extend(others.map(|key| format!("{key} is left out")));
    }
    Ok(all)
}

impl Project<'_> {
    /// The name of one of its units.
    fn unit(&self, name: &str, kind: Kind) -> Result<UnitName, ComposeError> {
        let file = format!("{}-{}.{}", self.name, plain(name), kind.suffix());
        UnitName::parse(&file).ok_or_else(|| malformed(name, "a name that a unit can have"))
    }
}

/// A volume or a network.
fn resource(project: &Project<'_>, kind: Kind, name: &str, said: &Value) -> Result<Written, ComposeError> {
    let mut unit = Unit::default();
    let section = unit.section_mut(kind.section());
    let key = if kind == Kind::Volume { "VolumeName" } else { "NetworkName" };
    let full = said["name"].as_str().map_or_else(|| format!("{}_{name}", project.name), str::to_owned);
    section.add(key, full);
    let mut notes = Vec::new();
    for (option, value) in said.as_object().into_iter().flatten() {
        match (option.as_str(), value) {
            ("name", _) => {}
            ("driver", Value::String(driver)) if driver == "local" || driver == "bridge" => {}
            ("driver", Value::String(driver)) => section.add("Driver", driver.as_str()),
            ("internal", Value::Bool(true)) if kind == Kind::Network => section.add("Internal", "true"),
            ("enable_ipv6", Value::Bool(true)) if kind == Kind::Network => section.add("IPv6", "true"),
            (option, _) => notes.push(format!("{option} of {name} is left out")),
        }
    }
    Ok(Written { name: project.unit(name, kind)?, unit, notes })
}

/// Whether something is there without the file.
fn is_external(said: &Value) -> bool {
    said["external"] == Value::Bool(true)
}

/// A name of letters, digits, dashes and underscores.
fn plain(name: &str) -> String {
    let keep = |char: char| if char.is_ascii_alphanumeric() || matches!(char, '-' | '_') { char } else { '-' };
    name.chars().map(keep).collect()
}

fn malformed(place: &str, what: &str) -> ComposeError {
    ComposeError::Malformed { place: place.to_owned(), what: format!("it should be {what}") }
}

/// The map that is there; an empty one when there is none.
fn map(value: &Value, key: &str, place: &str) -> Result<Map<String, Value>, ComposeError> {
    match &value[key] {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map.clone()),
        _ => Err(malformed(&format!("{place}{key}"), "a map")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> Vec<(String, String)> {
        let variable = |name: &str| (name == "TAG").then(|| "7".to_owned());
        let all = from_compose(text, Path::new("/home/me/app"), &variable).unwrap();
        all.into_iter().map(|written| (written.name.to_string(), written.unit.to_string())).collect()
    }

    fn refused(text: &str) -> String {
        from_compose(text, Path::new("/app"), &|_| None).unwrap_err().to_string()
    }

    const TWO: &str = r#"
name: shop
services:
  web:
    image: docker.io/library/nginx:${TAG}
    ports: ["8080:80", {target: 443, published: 8443, protocol: tcp}]
    environment: {A: "b c", EMPTY: , PRICE: "5$$"}
    volumes: ["./html:/html:ro", "data:/data", {type: tmpfs, target: /tmp}]
    depends_on: {db: {condition: service_healthy}}
    restart: unless-stopped
    command: sh -c "echo hi"
    stop_grace_period: 1m30s
    x-mine: 1
  db:
    image: docker.io/library/postgres:${VERSION:-16}
    healthcheck: {test: ["CMD-SHELL", "pg_isready"], interval: 5s}
    networks: {default: {aliases: [database]}, back: {}}
volumes: {data: {}}
networks: {back: {internal: true}}
"#;

    #[test]
    fn every_service_volume_and_network_is_a_unit() {
        let all = made(TWO);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "shop-web.container",
            "shop-db.container",
            "shop-data.volume",
            "shop-back.network",
            "shop-default.network",
        ];
        assert_eq!(names, expected);
        let web = &all[0].1;
        for line in [
            "Requires=shop-db.container",
            "After=shop-db.container",
            "Image=docker.io/library/nginx:7",
            "PublishPort=8080:80",
            "PublishPort=8443:443/tcp",
            "Environment=\"A=b c\"",
            "Environment=PRICE=5$$",
            "Volume=/home/me/app/html:/html:ro",
            "Volume=shop-data.volume:/data",
            "Tmpfs=/tmp",
            "Network=shop-default.network",
            "NetworkAlias=web",
            "Restart=always",
            "Exec=sh -c \"echo hi\"",
            "StopTimeout=90",
            "ContainerName=shop-web-1",
        ] {
            assert!(web.lines().any(|found| found == line), "{line} in {web}");
        }
        let db = &all[1].1;
        for line in [
            "Image=docker.io/library/postgres:16",
            "HealthCmd=pg_isready",
            "HealthInterval=5s",
            "Notify=healthy",
            "NetworkAlias=database",
            "Network=shop-back.network",
        ] {
            assert!(db.lines().any(|found| found == line), "{line} in {db}");
        }
        assert!(all[3].1.contains("Internal=true"));
    }

    #[test]
    fn one_service_alone_has_no_network_to_share_and_what_has_no_key_is_noted() {
        let text = "services: {a: {image: x, scale: 3}}\nsecrets: {}\n";
        let all = from_compose(text, Path::new("/app"), &|_| None).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].name.to_string(), "app-a.container");
        assert_eq!(all[0].notes, ["scale of service a is left out", "secrets is left out"]);
        assert!(!all[0].unit.to_string().contains("Network="));
    }

    #[test]
    fn what_stands_for_a_variable_may_have_variables_itself() {
        let image = |text: &str| {
            let all = made(&format!("services: {{a: {{image: '{text}'}}}}"));
            all[0].1.lines().find_map(|line| line.strip_prefix("Image=")).unwrap().to_owned()
        };
        assert_eq!(image("${NONE:-x:${TAG}}"), "x:7");
        assert_eq!(image("${NONE-$TAG}y"), "7y");
        assert_eq!(image("${TAG:+${NONE:-${OTHER:-z}}}"), "z");
    }

    #[test]
    fn a_service_of_any_name_has_a_unit() {
        assert_eq!(made("services: {a/b: {image: x}}")[0].0, "app-a-b.container");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert!(refused("a: [").starts_with("reading the Compose file"));
        assert_eq!(refused("{}"), "the Compose file has no services");
        assert_eq!(refused("services: [a]"), "services: it should be a map");
        assert_eq!(refused("services: {a: {image: x, ports: 5}}"), "services.a.ports: it should be a list");
        assert_eq!(refused("services: {a: {}}"), "services.a: it has no image");
        assert_eq!(
            refused("services: {a: {build: .}}"),
            "services.a: it has no image: what is to be built has to be built before, and named"
        );
        assert_eq!(refused("services: {a: {image: '${B'}}"), "${B: it should be a variable: its brace does not end");
        assert_eq!(refused("services: {a: {image: '${B:?say which}'}}"), "the variable B is not set: say which");
    }
}

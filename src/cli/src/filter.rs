// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--filter KEY=VALUE`: which containers, images or events are meant.
//!
//! Of several filters with one key one has to hold; of those with different keys, and of labels, all.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::container::{self, ContainerId, Status, options::VolumeSource};
use haulout_engine::digest::Digest;
use haulout_engine::{Engine, Error};
use haulout_engine::{glob, image, volume};
use regex::Regex;

use crate::{rows, time};

/// One filter as given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Filter {
    key: String,
    negated: bool,
    value: String,
}

fn split(text: &str) -> Option<Filter> {
    let (key, value) = text.split_once('=')?;
    let (key, negated) = key.strip_suffix('!').map_or((key, false), |key| (key, true));
    Some(Filter { key: key.to_owned(), negated, value: value.to_owned() })
}

/// Whether `filters` hold: for each key but labels, one of its filters; every filter on labels.
fn all(filters: &[Filter], mut holds: impl FnMut(&Filter) -> bool) -> bool {
    filters.iter().enumerate().all(|(index, filter)| {
        if filter.key == "label" {
            return holds(filter);
        }
        let first =
            filters.iter().position(|other| other.key == filter.key && other.negated == filter.negated) == Some(index);
        !first
            || filters.iter().filter(|other| other.key == filter.key && other.negated == filter.negated).any(&mut holds)
    })
}

fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
        None => labels.contains_key(wanted),
    }
}

/// Whether `text` has a match of the regular expression `pattern`.
fn matches(pattern: &str, text: &str) -> bool {
    if pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-/:".contains(&byte)) {
        return text.contains(pattern);
    }
    Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
}

/// Which containers are meant.
pub struct Containers {
    filters: Vec<Filter>,
    /// When the containers named by `before` and `since` were made, by the filter's value.
    made: BTreeMap<String, i64>,
    images: Vec<image::Summary>,
}

const STATES: [&str; 9] =
    ["created", "configured", "initialized", "running", "exited", "stopped", "paused", "removing", "unknown"];

const RESTARTS: [&str; 4] = ["no", "always", "on-failure", "unless-stopped"];

impl Containers {
    /// Reads the filters; those that name another container look it up in `all`.
    pub async fn parse(texts: &[String], engine: &Engine, all: &[container::Summary]) -> Result<Self> {
        let mut filters = Vec::new();
        let mut made = BTreeMap::new();
        let mut images = Vec::new();
        for text in texts {
            let filter = split(text).ok_or_else(|| anyhow!("invalid filter {text:?}"))?;
            match filter.key.as_str() {
                "label" => {}
                _ if filter.negated => bail!("{}! is an invalid filter", filter.key),
                "id" | "name" | "volume" | "network" | "pod" | "health" => {}
                "restart-policy" if RESTARTS.contains(&filter.value.as_str()) => {}
                "restart-policy" => bail!("{} invalid restart policy", filter.value),
                "ancestor" => images = engine.images().list().await?,
                "status" if STATES.contains(&filter.value.as_str()) || filter.value == "stopping" => {}
                "status" => bail!("unknown container state: {}: invalid argument", filter.value),
                "exited" => {
                    filter.value.parse::<i32>().map_err(|_| {
                        anyhow!(
                            "exited code out of range '\\x00': strconv.ParseInt: parsing {:?}: invalid syntax",
                            filter.value
                        )
                    })?;
                }
                "until" => {
                    time::point(&filter.value)
                        .ok_or_else(|| anyhow!("failed to parse value as time or duration: {:?}", filter.value))?;
                }
                "before" | "since" => {
                    let id = engine.containers().resolve(&filter.value).await?;
                    let other = all.iter().find(|other| other.record.id == id);
                    made.insert(filter.value.clone(), other.map_or(0, |other| other.record.created));
                }
                key => bail!("{key} is an invalid filter"),
            }
            filters.push(filter);
        }
        Ok(Self { filters, made, images })
    }

    /// Whether containers that do not run are asked for.
    pub fn names_states(&self) -> bool {
        self.filters.iter().any(|filter| filter.key == "status")
    }

    /// Whether `summary` is meant.
    pub fn holds(&self, summary: &container::Summary) -> bool {
        all(&self.filters, |filter| self.one(filter, summary))
    }

    fn one(&self, filter: &Filter, summary: &container::Summary) -> bool {
        let (record, value) = (&summary.record, filter.value.as_str());
        match filter.key.as_str() {
            "label" => has_label(&record.options.labels, value) != filter.negated,
            "id" => {
                let id = record.id.to_string();
                // The beginning of one, or a regular expression.
                id.starts_with(value) || (!value.bytes().all(|byte| byte.is_ascii_hexdigit()) && matches(value, &id))
            }
            "name" => matches(value, record.name.as_str()),
            "status" => {
                let state = rows::state(&summary.status);
                state == value
                    || (value == "configured" && state == "created")
                    || (value == "stopped" && state == "exited")
            }
            "exited" => match &summary.status {
                Status::Exited(exit) => value.parse() == Ok(exit.status.unwrap_or(-1)),
                _ => false,
            },
            "ancestor" => self.descends(record, value),
            "before" => self.made.get(value).is_some_and(|&made| record.created < made),
            "since" => self.made.get(value).is_some_and(|&made| record.created > made),
            "until" => time::point(value).is_some_and(|until| record.created <= until),
            "volume" => record.options.volumes.iter().any(|volume| {
                let named = matches!(&volume.source, VolumeSource::Named(name) if name == value);
                let path = matches!(&volume.source, VolumeSource::Path(path) if path.as_os_str() == value);
                named || path || volume.destination.as_os_str() == value
            }),
            "restart-policy" => rows::restart(record.options.restart).0 == value,
            "health" => summary.health.is_some_and(|health| health.as_str() == value),
            // There are no pods and no networks with names.
            _ => false,
        }
    }

    fn descends(&self, record: &container::Record, wanted: &str) -> bool {
        let hex = record.image_id();
        let plain = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        let by_id = plain.len() >= 3 && hex.starts_with(plain);
        let tagged = |name: &str| {
            name == wanted
                || name.strip_suffix(":latest") == Some(wanted)
                || short_names(name).any(|short| short == wanted)
        };
        let by_name = self.images.iter().filter(|image| Some(image.id) == record.image).flat_map(|image| &image.names);
        by_id
            || tagged(&record.image_name)
            || by_name.into_iter().any(|name| tagged(name))
            || matches(wanted, &record.image_name)
    }
}

/// The last parts of a name, with and without its tag: `a/b/c:x` is also `b/c:x`, `c:x`, `b/c` and `c`.
fn short_names(name: &str) -> impl Iterator<Item = &str> {
    let untagged = rows::repository_and_tag(name).0;
    [name, untagged]
        .into_iter()
        .flat_map(|whole| std::iter::once(whole).chain(whole.match_indices('/').map(|(at, _)| &whole[at + 1..])))
}

/// Which images are meant.
pub struct Images {
    filters: Vec<Filter>,
    made: BTreeMap<String, i64>,
    /// Which of them are manifest lists.
    lists: Vec<Digest>,
    lineage: image::Lineage,
}

impl Images {
    /// Reads the filters; those that name another image look it up in `all`.
    pub async fn parse(texts: &[String], engine: &Engine, all: &[image::Summary]) -> Result<Self> {
        let mut filters = Vec::new();
        let mut made = BTreeMap::new();
        for text in texts {
            let form = "must be in the format \"filter=value or filter!=value\"";
            let filter = split(text).ok_or_else(|| anyhow!("invalid image filter {text:?}: {form}"))?;
            match filter.key.as_str() {
                "label" | "reference" | "id" => {}
                "digest" if filter.value.starts_with("sha256:") => {}
                "digest" => bail!("invalid value {:?} for digest filter", filter.value),
                "containers" if go_bool(&filter.value).is_none() => {
                    bail!("unsupported value {:?} for containers filter", filter.value)
                }
                "dangling" | "intermediate" | "readonly" | "manifest" | "containers" => {
                    go_bool(&filter.value).ok_or_else(|| {
                        anyhow!(
                            "non-boolean value {:?} for {} filter: strconv.ParseBool: parsing {:?}: invalid syntax",
                            filter.key,
                            filter.value,
                            filter.value
                        )
                    })?;
                }
                "before" | "since" | "after" => {
                    let known = engine.images().resolve(&filter.value).await;
                    let id = known.with_context(|| {
                        format!("could not find local image for filter {:?}={:?}", filter.key, filter.value)
                    })?;
                    let other = all.iter().find(|other| other.id == id);
                    made.insert(filter.value.clone(), other.map_or(0, |other| other.created));
                }
                "until" => {
                    time::point(&filter.value)
                        .ok_or_else(|| anyhow!("failed to parse value as time or duration: {:?}", filter.value))?;
                }
                key => bail!("invalid image filter {key:?}: {form}"),
            }
            filters.push(filter);
        }
        Ok(Self { filters, made, lists: Vec::new(), lineage: engine.images().lineage().await? })
    }

    /// Says which are manifest lists.
    pub fn with_lists(mut self, lists: &[image::Summary]) -> Self {
        self.lists = lists.iter().map(|list| list.id).collect();
        self
    }

    /// One more filter: a name with `*`, as the argument of `images`.
    pub fn named(mut self, pattern: &str) -> Self {
        self.filters.push(Filter { key: "reference".into(), negated: false, value: pattern.into() });
        self
    }

    /// Whether `summary` is meant.
    pub fn holds(&self, summary: &image::Summary) -> bool {
        all(&self.filters, |filter| self.one(filter, summary) != (filter.negated && filter.key != "label"))
    }

    fn one(&self, filter: &Filter, summary: &image::Summary) -> bool {
        let value = filter.value.as_str();
        let truth = go_bool(value) == Some(true);
        match filter.key.as_str() {
            "label" => has_label(&summary.labels, value) != filter.negated,
            "reference" => refers(summary, value),
            "id" => summary.id.hex().starts_with(value.strip_prefix("sha256:").unwrap_or(value)),
            "digest" => summary.digest.to_string().starts_with(value),
            "dangling" => {
                let nameless = summary.names.is_empty() && summary.repo_digests.is_empty();
                (nameless && !self.lineage.has_children(&summary.id)) == truth
            }
            "intermediate" => self.lineage.is_intermediate(&summary.id) == truth,
            "containers" => (summary.containers > 0) == truth,
            "manifest" => self.lists.contains(&summary.id) == truth,
            "readonly" => summary.read_only == truth,
            "before" => self.made.get(value).is_some_and(|&made| summary.created < made),
            "since" | "after" => self.made.get(value).is_some_and(|&made| summary.created > made),
            "until" => time::point(value).is_some_and(|until| summary.created <= until / time::SECOND),
            _ => false,
        }
    }
}

fn refers(summary: &image::Summary, pattern: &str) -> bool {
    let plain = pattern.strip_prefix("sha256:").unwrap_or(pattern);
    let by_id =
        plain.len() >= 3 && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) && summary.id.hex().starts_with(plain);
    by_id || summary.names.iter().any(|name| short_names(name).any(|short| glob::matches(pattern, short)))
}

fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Which events are meant.
pub struct Events {
    filters: Vec<Filter>,
    ids: BTreeMap<String, ContainerId>,
}

impl Events {
    /// Reads the filters; a container that is still here is known by its name and the beginning of its id.
    pub async fn parse(texts: &[String], engine: &Engine) -> Result<Self> {
        let mut filters = Vec::new();
        let mut ids = BTreeMap::new();
        for text in texts {
            let invalid = |key: &str| anyhow!("failed to parse event filters: {key} is an invalid filter");
            let mut filter = split(text).ok_or_else(|| invalid(text))?;
            if filter.negated {
                return Err(invalid(&format!("{}!", filter.key)));
            }
            filter.key.make_ascii_lowercase();
            match filter.key.as_str() {
                "container" => {
                    if let Ok(id) = engine.containers().resolve(&filter.value).await {
                        ids.insert(filter.value.clone(), id);
                    }
                }
                // Docker's word.
                "event" | "status" if filter.value == "die" => "died".clone_into(&mut filter.value),
                "event" | "status" | "type" | "image" | "label" | "volume" | "pod" => {}
                key => return Err(invalid(key)),
            }
            filters.push(filter);
        }
        Ok(Self { filters, ids })
    }

    /// Whether `event` is meant.
    pub fn holds(&self, event: &haulout_engine::event::Event) -> bool {
        use haulout_engine::event::Kind;
        all(&self.filters, |filter| {
            let value = filter.value.as_str();
            match filter.key.as_str() {
                "container" => {
                    event.kind == Kind::Container
                        && (event.name == value
                            || event.id.starts_with(value)
                            || self.ids.get(value).is_some_and(|id| id.to_string() == event.id))
                }
                "event" | "status" => event.action == value,
                "type" => event.kind.as_str() == value,
                "image" => event.kind == Kind::Image && (event.name == value || event.id.starts_with(value)),
                "label" => {
                    let (key, value) = value.split_once('=').unwrap_or((value, ""));
                    event.labels.get(key).is_some_and(|found| found == value)
                }
                "volume" => event.kind == Kind::Volume && event.name.starts_with(value),
                _ => false,
            }
        })
    }
}

/// Which volumes are meant.
pub struct Volumes {
    filters: Vec<Filter>,
    made: BTreeMap<String, i64>,
}

impl Volumes {
    /// Reads the filters; those that name another volume look it up in `all`.
    pub fn parse(texts: &[String], all: &[volume::Details]) -> Result<Self> {
        let mut filters = Vec::new();
        let mut made = BTreeMap::new();
        for text in texts {
            let filter = split(text)
                .ok_or_else(|| anyhow!("filter input must be in the form of filter=value: {text} is invalid"))?;
            match filter.key.as_str() {
                "label" => {}
                key if filter.negated => bail!("{:?} is an invalid volume filter", format!("{key}!")),
                "name" | "driver" | "opt" | "scope" => {}
                "dangling" | "anonymous" => {
                    go_bool(&filter.value).ok_or_else(|| {
                        anyhow!(
                            "{:?} is not a valid value for the {:?} filter - must be true or false",
                            filter.value,
                            filter.key
                        )
                    })?;
                }
                "until" => {
                    time::point(&filter.value)
                        .ok_or_else(|| anyhow!("failed to parse value as time or duration: {:?}", filter.value))?;
                }
                "after" | "since" => {
                    let other = all.iter().find(|other| other.record.name == filter.value);
                    let other = other.ok_or_else(|| Error::NoSuchVolume(filter.value.clone()))?;
                    made.insert(filter.value.clone(), other.record.created);
                }
                key => bail!("{key:?} is an invalid volume filter"),
            }
            filters.push(filter);
        }
        Ok(Self { filters, made })
    }

    /// Whether `volume` is meant.
    pub fn holds(&self, volume: &volume::Details) -> bool {
        all(&self.filters, |filter| {
            let (record, value) = (&volume.record, filter.value.as_str());
            let truth = go_bool(value) == Some(true);
            match filter.key.as_str() {
                "label" => has_label(&record.labels, value) != filter.negated,
                "name" => matches(value, &record.name),
                "driver" => value == record.driver(),
                "scope" => value == "local",
                "opt" => has_label(&record.options, value),
                "dangling" => volume.containers.is_empty() == truth,
                "anonymous" => record.anonymous == truth,
                "until" => time::point(value).is_some_and(|until| record.created <= until),
                "after" | "since" => self.made.get(value).is_some_and(|&made| record.created > made),
                _ => false,
            }
        })
    }
}

/// Which secrets are meant.
pub struct Secrets {
    filters: Vec<Filter>,
}

impl Secrets {
    /// Reads the filters.
    pub fn parse(texts: &[String]) -> Result<Self> {
        let filters = texts.iter().map(|text| {
            let filter = split(text).ok_or_else(|| {
                anyhow!("invalid filter {text:?}: must be in the format \"filter=value or filter!=value\"")
            })?;
            match filter.key.as_str() {
                "name" | "id" if !filter.negated => Ok(filter),
                key => bail!("invalid filter {key:?}"),
            }
        });
        Ok(Self { filters: filters.collect::<Result<_>>()? })
    }

    /// Whether `record` is meant.
    pub fn holds(&self, record: &haulout_engine::secret::Record) -> bool {
        all(&self.filters, |filter| match filter.key.as_str() {
            "name" => matches(&filter.value, &record.name),
            _ => record.id.starts_with(&filter.value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_also_its_last_parts() {
        let names: Vec<&str> = short_names("localhost:5000/a/b:x").collect();
        assert_eq!(names, ["localhost:5000/a/b:x", "a/b:x", "b:x", "localhost:5000/a/b", "a/b", "b"]);
    }

    #[test]
    fn of_one_key_one_has_to_hold_and_of_labels_all() {
        let filters: Vec<Filter> =
            ["name=a", "name=b", "label=x", "label=y"].iter().filter_map(|text| split(text)).collect();
        let holds = |truths: [bool; 4]| {
            all(&filters, |filter| truths[filters.iter().position(|other| other == filter).unwrap()])
        };
        assert!(holds([true, false, true, true]));
        assert!(!holds([false, false, true, true]));
        assert!(!holds([true, true, true, false]));
    }

    #[test]
    fn a_name_may_be_a_regular_expression() {
        assert!(matches("^c1$", "c1") && !matches("^c1$", "c12") && matches("c1", "xc12"));
        assert!(!matches("(", "("), "what is no expression matches nothing");
    }
}

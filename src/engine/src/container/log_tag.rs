// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tag of a container's lines in the journal: `--log-opt tag={{.ImageName}}/{{.Name}}`, podman-run(1).
//!
//! Podman takes a whole Go template with the keys of `podman inspect`. Here a tag is text in which those keys stand for their values
//! that tell containers apart; what else is between braces is refused when the container is made, not when it is started.

use oci_spec::image::ImageConfiguration;

use super::Record;
use super::options::LogDriver;
use crate::config::containers::Settings;
use crate::digest::Digest;
use crate::engine::Error;
use crate::spec;

/// What may stand between braces.
const KNOWN: &str = ".ID, .Name, .Image, .ImageName, .Config.Hostname, .Config.Image, .Config.Labels.KEY and index .Config.Labels \"KEY\"";

/// The tag of `record`'s lines as the journal gets it; nothing when none is asked for.
///
/// # Errors
/// When it asks for what is not known.
pub(super) fn of(record: &Record, image: &ImageConfiguration, settings: &Settings) -> Result<Option<String>, Error> {
    let log = &record.options.log;
    let Some(tag) = log.tag.as_deref().filter(|tag| log.driver == LogDriver::Journald && !tag.is_empty()) else {
        return Ok(None);
    };
    expand(tag, |what| value(what, record, image, settings))
        .map(Some)
        .map_err(|what| Error::Invalid(format!("log tag {tag:?}: {{{{{what}}}}} is not understood; known are {KNOWN}")))
}

/// The text with what `value` answers for everything between braces; else what it knows no answer to.
fn expand(tag: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, &str> {
    let mut text = String::new();
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once("{{") {
        let (what, after) = after.split_once("}}").ok_or(after)?;
        text.push_str(before);
        text.push_str(&value(what.trim()).ok_or(what)?);
        rest = after;
    }
    Ok(text + rest)
}

fn value(what: &str, record: &Record, image: &ImageConfiguration, settings: &Settings) -> Option<String> {
    Some(match what {
        ".ID" => record.id.to_string(),
        ".Name" => record.name.to_string(),
        ".Image" => record.image.as_ref().map(Digest::hex).unwrap_or_default(),
        ".ImageName" | ".Config.Image" => record.image_name.clone(),
        ".Config.Hostname" => spec::hostname(record, settings),
        _ => {
            let key = label(what)?;
            let of_image = || image.config().as_ref()?.labels().as_ref()?.get(key);
            record.options.labels.get(key).or_else(of_image).cloned().unwrap_or_default()
        }
    })
}

/// Which label is asked for, in one of the two ways that there are.
fn label(what: &str) -> Option<&str> {
    match what.strip_prefix("index .Config.Labels ") {
        Some(quoted) => quoted.trim().strip_prefix('"')?.strip_suffix('"'),
        None => what.strip_prefix(".Config.Labels.").filter(|key| !key.contains([' ', '.'])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_braces_is_asked_for_and_the_rest_is_text() {
        let value = |what: &str| (what == ".Name").then(|| "web".to_owned());
        for (tag, expanded) in [
            ("plain", Ok("plain")),
            ("{{.Name}}", Ok("web")),
            ("a {{ .Name }}/{{.Name}}}", Ok("a web/web}")),
            ("{{.Nome}}", Err(".Nome")),
            ("{{.Name", Err(".Name")),
        ] {
            assert_eq!(expand(tag, value).as_deref(), expanded.as_ref().copied(), "{tag}");
        }
    }

    #[test]
    fn a_label_is_asked_for_in_two_ways() {
        assert_eq!(label(".Config.Labels.app"), Some("app"));
        assert_eq!(label("index .Config.Labels \"io.x/y\""), Some("io.x/y"));
        assert_eq!(label(".Config.Labels.io.x"), None);
        assert_eq!(label("index .Config.Labels app"), None);
    }
}

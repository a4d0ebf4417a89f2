// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An image as `inspect` shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use haulout_engine::container::health::Check;
use haulout_engine::image::Details;
use haulout_engine::store::driver::Driver;
use serde_json::Value;

use crate::format::{Data, Struct};
use crate::time;

/// Everything about an image, under podman's names. `parent` is the id of what it was built upon, or nothing.
pub fn data(details: &Details, parent: &str, storage: Driver) -> Data {
    let summary = &details.summary;
    let config = serde_json::to_value(&details.config).unwrap_or_default();
    let manifest = serde_json::to_value(&details.manifest).unwrap_or_default();
    let text = |key: &str| config[key].as_str().unwrap_or("").to_owned();
    let inner = &config["config"];
    let layers: Vec<String> = strings(&config["rootfs"]["diff_ids"]);
    // Docker's configuration has a comment; of OCI's history podman shows that of the first entry.
    let received: Value = serde_json::from_slice(&details.config_bytes).unwrap_or_default();
    let first = config["history"].as_array().and_then(|history| history.first()?["comment"].as_str());
    let comment = received["comment"].as_str().or(first).unwrap_or("");
    let check: Option<Check> = serde_json::from_value(received["config"]["Healthcheck"].clone()).ok();
    let history: Vec<Data> = config["history"].as_array().into_iter().flatten().map(history).collect();
    let created = text("created").parse::<jiff::Timestamp>().ok();
    let created =
        created.and_then(|at| i64::try_from(at.as_nanosecond()).ok()).unwrap_or(summary.created * time::SECOND);
    let media_type = manifest["mediaType"].as_str().unwrap_or("application/vnd.oci.image.manifest.v1+json");
    let annotations: BTreeMap<String, String> =
        serde_json::from_value(manifest["annotations"].clone()).unwrap_or_default();
    Struct::of("interface {}")
        .with_as("ID", "Id", summary.id.hex())
        .with("Digest", summary.digest.to_string())
        .with("RepoTags", summary.names.clone())
        .with("RepoDigests", summary.repo_digests.clone())
        .with("Parent", parent)
        .with("Comment", comment)
        .with("Created", Data::Time(Some(created)))
        .with("Config", self::config(inner))
        .with("Version", "")
        .with("Author", text("author"))
        .with("Architecture", text("architecture"))
        .with("Os", text("os"))
        .with("Size", summary.size)
        .with("VirtualSize", summary.size)
        .with("GraphDriver", driver(&details.layers, storage))
        .with("RootFS", Struct::of("*inspect.RootFS").with("Type", "layers").with("Layers", layers))
        .with("Labels", Data::map_or_nil(&summary.labels))
        .with("Annotations", &annotations)
        .with("ManifestType", media_type)
        .with("User", inner["User"].as_str().unwrap_or(""))
        .with("History", history)
        .with("NamesHistory", summary.names.clone())
        .with_omitted("HealthCheck", "Healthcheck", super::health::check(check.as_ref()))
        .into()
}

/// The strings of a JSON array.
pub fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The image's own settings; in JSON only those that it has.
fn config(inner: &Value) -> Data {
    let text = |key: &str| inner[key].as_str().unwrap_or("").to_owned();
    let labels: BTreeMap<String, String> = serde_json::from_value(inner["Labels"].clone()).unwrap_or_default();
    let map = |key: &str| match &inner[key] {
        Value::Object(_) => Data::from(&inner[key]),
        _ => Data::Map(None),
    };
    Struct::of("*v1.ImageConfig")
        .with_omitted("User", "User", text("User"))
        .with_omitted("ExposedPorts", "ExposedPorts", map("ExposedPorts"))
        .with_omitted("Env", "Env", Data::list_or_nil(strings(&inner["Env"])))
        .with_omitted("Entrypoint", "Entrypoint", Data::list_or_nil(strings(&inner["Entrypoint"])))
        .with_omitted("Cmd", "Cmd", Data::list_or_nil(strings(&inner["Cmd"])))
        .with_omitted("Volumes", "Volumes", map("Volumes"))
        .with_omitted("WorkingDir", "WorkingDir", text("WorkingDir"))
        .with_omitted("Labels", "Labels", Data::map_or_nil(&labels))
        .with_omitted("StopSignal", "StopSignal", text("StopSignal"))
        .into()
}

fn history(entry: &Value) -> Data {
    let text = |key: &str| entry[key].as_str().unwrap_or("").to_owned();
    Struct::of("v1.History")
        .with_omitted("Created", "created", text("created"))
        .with_omitted("CreatedBy", "created_by", text("created_by"))
        .with_omitted("Author", "author", text("author"))
        .with_omitted("Comment", "comment", text("comment"))
        .with_omitted("EmptyLayer", "empty_layer", entry["empty_layer"].as_bool().unwrap_or(false))
        .into()
}

/// Where its layers are; the uppermost is `UpperDir`.
fn driver(layers: &[PathBuf], storage: Driver) -> Data {
    if storage == Driver::Vfs {
        return Struct::of("*define.DriverData").with("Name", storage.name()).with("Data", Data::Nil).into();
    }
    let folders: Vec<String> = layers.iter().map(|layer| layer.display().to_string()).collect();
    let mut data = BTreeMap::new();
    if let Some((upper, lower)) = folders.split_first() {
        data.insert("UpperDir".to_owned(), upper.clone());
        if !lower.is_empty() {
            data.insert("LowerDir".to_owned(), lower.join(":"));
        }
    }
    Struct::of("*define.DriverData").with("Name", "overlay").with("Data", &data).into()
}

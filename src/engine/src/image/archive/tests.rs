// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::image::platform::Platform;
use crate::image::transport::Which;

/// What is put into an archive.
enum Put<'a> {
    File(&'a str, Vec<u8>),
    Link(&'a str, &'a str),
    Folder(&'a str),
}

fn archive(members: &[Put<'_>]) -> Result<Archive, ArchiveError> {
    let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        match member {
            Put::File(name, bytes) => {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, name, &bytes[..]).unwrap();
            }
            Put::Link(name, target) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, target).unwrap();
            }
            Put::Folder(name) => {
                header.set_entry_type(EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, name, &[][..]).unwrap();
            }
        }
    }
    Archive::open(builder.into_inner().unwrap())
}

fn images(members: &[Put<'_>]) -> Result<Vec<Found>, String> {
    let found = archive(members)
        .and_then(|archive| archive.images(archive.transport(), &"linux/amd64".parse().unwrap(), &Which::All));
    found.map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }))
    .unwrap()
}

fn docker(config: &str, tags: &[&str], layers: &[&str]) -> Put<'static> {
    let text = serde_json::json!([{"Config": config, "RepoTags": tags, "Layers": layers}]).to_string();
    Put::File("manifest.json", text.into_bytes())
}

fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    serde_json::json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

/// The members of an OCI archive with one image of one layer, and the name of the layer's.
fn oci(annotations: &serde_json::Value) -> (Vec<(String, Vec<u8>)>, String) {
    let layer = b"layer".to_vec();
    let config = config(&[&layer]);
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    entry["annotations"] = annotations.clone();
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry]}).to_string().into_bytes();
    let place = blob_name(&Digest::of(&layer));
    let blobs = [config, manifest, layer].map(|bytes| (blob_name(&Digest::of(&bytes)), bytes));
    (blobs.into_iter().chain([("index.json".to_owned(), index)]).collect(), place)
}

fn put(members: &[(String, Vec<u8>)]) -> Vec<Put<'_>> {
    members.iter().map(|(name, bytes)| Put::File(name, bytes.clone())).collect()
}

#[test]
fn layers_that_are_links_to_others_are_found() {
    let layer = b"layer";
    let found = images(&[
        Put::File("./c.json", config(&[layer])),
        Put::File("one/layer.tar", layer.to_vec()),
        Put::Link("two/layer.tar", "../one/layer.tar"),
        docker("c.json", &["q.io/a:1", "b"], &["two/layer.tar"]),
    ])
    .unwrap();
    let image = &found[0].image;
    assert_eq!(
        image.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["q.io/a:1", "docker.io/library/b:latest"]
    );
    assert_eq!(image.layers[0].size, 5);
    assert_eq!(image.id, Digest::of(&config(&[layer])));
}

#[test]
fn links_that_lead_out_or_round_in_circles_lead_nowhere() {
    for (name, target) in [("l", "../../etc/passwd"), ("l", "/etc/passwd"), ("l", "l"), ("l", ".")] {
        let error = images(&[Put::File("c", config(&[b"x"])), Put::Link(name, target), docker("c", &[], &["l"])]);
        assert!(error.err().unwrap().contains("\"l\""), "{target}");
    }
    let error = images(&[Put::File("c", config(&[b"x"])), Put::Folder("l"), docker("c", &[], &["l"])]);
    assert_eq!(error.err().unwrap(), "\"l\" in the archive is no plain file");
    let error = images(&[docker("../../etc/passwd", &[], &[])]);
    assert_eq!(error.err().unwrap(), "the archive has no \"../../etc/passwd\"");
}

#[test]
fn documents_that_are_none_or_do_not_belong_together_are_refused() {
    let long = vec![b' '; usize::try_from(DOCUMENT_MAX).unwrap() + 1];
    for (members, words) in [
        (vec![], "it has neither manifest.json nor index.json"),
        (vec![Put::File("repositories", b"{}".to_vec())], "before 1.10"),
        (vec![Put::File("manifest.json", b"{}".to_vec())], "\"manifest.json\" in the archive: "),
        (vec![Put::File("manifest.json", long.clone())], "at most 4194304 are read"),
        (vec![docker("c", &[], &[])], "the archive has no \"c\""),
        (vec![Put::File("c", b"{}".to_vec()), docker("c", &[], &[])], "the configuration is malformed"),
        (
            vec![Put::File("c", config(&[b"x"])), docker("c", &[], &[])],
            "the manifest has 0 layers, but the configuration 1",
        ),
        (vec![Put::File("c", config(&[])), docker("c", &["A b"], &[])], "invalid reference format"),
    ] {
        let error = images(&members).err().unwrap();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn an_oci_archive_s_name_may_be_whole_or_a_tag() {
    for (key, text, expected) in [
        ("io.containerd.image.name", "docker.io/library/x:1", Some("docker.io/library/x:1")),
        ("org.opencontainers.image.ref.name", "localhost/x:1", Some("localhost/x:1")),
        ("org.opencontainers.image.ref.name", "tag", Some("localhost/tag:latest")),
        ("other", "x", None),
    ] {
        let (members, _) = oci(&serde_json::json!({key: text}));
        let found = images(&put(&members)).unwrap();
        assert_eq!(found[0].image.names.first().map(ToString::to_string).as_deref(), expected);
    }
}

#[test]
fn a_member_that_is_not_what_its_digest_says_is_refused() {
    let (members, layer) = oci(&serde_json::json!({}));
    assert_eq!(images(&put(&members)).unwrap().len(), 1);
    for changed in 0..members.len() - 1 {
        let mut members = members.clone();
        let length = members[changed].1.len();
        members[changed].1[length - 1] ^= 1;
        // A layer's bytes are looked at when they are unpacked.
        assert_eq!(images(&put(&members)).is_ok(), members[changed].0 == layer, "{}", members[changed].0);
        members[changed].1.push(0);
        assert!(images(&put(&members)).is_err());
        members.remove(changed);
        assert!(images(&put(&members)).err().unwrap().contains("the archive has no "));
    }
}

#[tokio::test]
async fn a_layer_of_other_bytes_ends_with_an_error() {
    let (mut members, layer) = oci(&serde_json::json!({}));
    members.iter_mut().find(|(name, _)| *name == layer).unwrap().1[0] ^= 1;
    let archive = archive(&put(&members)).unwrap();
    let found = archive.images(archive.transport(), &"linux/amd64".parse().unwrap(), &Which::All).unwrap().remove(0);
    let source = Archive::source(found.places);
    let bytes: Vec<_> = source.layer(&found.image.layers[0]).await.unwrap().collect().await;
    assert!(bytes.last().unwrap().is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        if let Ok(archive) = Archive::open(file) {
            let _ = archive.images(archive.transport(), &Platform::of_this_machine(), &Which::All);
        }
    }
}

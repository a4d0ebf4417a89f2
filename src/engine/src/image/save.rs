// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writing images to archives and folders: docker's archive (`manifest.json` in a tar), OCI's image layout (image-layout.md) in a tar
//! or a folder, and containers-transports(5)' `dir`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::json;

use super::document::{self, Part};
use super::names::{new_name, unless_gone};
use super::packing::{self, Packed, Packing};
use super::progress::Reporter;
use super::reference::{Reference, is_hex_id};
use super::signature::{self, Signer};
use super::transport::Transport;
use super::{Details, ManifestFormat, PullLayer, PushProgress, SignWith, SignatureError, announce};
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::step::Compression;

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// How far the disk may be behind what is written, in bytes, and how often that is looked at.
const BEHIND: u64 = 16 << 20;
const LOOK: Duration = Duration::from_millis(20);

/// In which form images are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveAs {
    /// What it is to be.
    pub transport: Transport,
    /// In which dress the manifest is. Nothing: in an image layout OCI's, in a `dir` that of the image.
    pub manifest: Option<ManifestFormat>,
    /// How layers are packed. Nothing: in an image layout with gzip, in a `dir` not at all. Those of a docker archive never are.
    pub packing: Option<Packing>,
}

impl SaveAs {
    fn packing(self) -> Packing {
        self.packing.unwrap_or(match self.transport {
            Transport::Oci | Transport::OciArchive => Packing::GZIP,
            Transport::Dir | Transport::DockerArchive => Packing::NONE,
        })
    }

    fn docker(self, image: &Details) -> bool {
        match (self.manifest, self.transport) {
            (Some(format), _) => format == ManifestFormat::Docker,
            (None, Transport::Dir) => document::is_docker(&image.manifest_bytes),
            (None, _) => false,
        }
    }
}

/// Where images are written.
#[derive(Debug)]
pub enum SaveTo {
    /// An archive: a file that is empty, or a pipe.
    File(OwnedFd),
    /// A folder, made if need be.
    Folder(PathBuf),
}

/// An image to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveImage {
    /// Which.
    pub name: String,
    /// What else it is to be called in a docker archive.
    pub tags: Vec<String>,
    /// What an image layout calls it.
    pub layout_name: LayoutName,
}

/// What an image layout calls an image (image-layout.md, `org.opencontainers.image.ref.name`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LayoutName {
    /// By its own name, if it has one.
    #[default]
    Own,
    /// This, as it is.
    Said(String),
    /// Nothing.
    Nothing,
}

/// An image and what it is to be called.
struct Chosen {
    details: Details,
    diff_ids: Vec<Digest>,
    names: Vec<String>,
    reference: Option<String>,
    /// What it was asked for by.
    asked: String,
}

/// Writes all of them.
pub(super) async fn save(
    engine: Engine,
    images: Vec<SaveImage>,
    to: SaveTo,
    form: SaveAs,
    sign: SignWith,
    reporter: Reporter<PushProgress>,
) -> Result<(), Error> {
    let signer = sign.open(&engine).await?;
    let mut chosen: Vec<Chosen> = Vec::new();
    for image in &images {
        let one = choose(&engine, image).await?;
        match chosen.iter_mut().find(|other| other.details.summary.id == one.details.summary.id) {
            Some(other) => other.names.extend(one.names),
            None => chosen.push(one),
        }
    }
    let mut layers: Vec<PullLayer> = Vec::new();
    for diff_id in chosen.iter().flat_map(|image| &image.diff_ids) {
        if !layers.iter().any(|layer| layer.blob == *diff_id) {
            layers.push(PullLayer { blob: *diff_id, size: tar_size(&engine, *diff_id).await?, present: false });
        }
    }
    reporter.say(PushProgress::Layers(layers.clone()));
    let saving = Saving { engine: &engine, images: &chosen, layers: &layers, form, signer, reporter: &reporter };
    let place = match &to {
        SaveTo::File(file) => std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok(),
        SaveTo::Folder(folder) => std::path::absolute(folder).ok(),
    };
    let mut saved = match (form.transport, to) {
        (Transport::DockerArchive, SaveTo::File(file)) => {
            let file = File::from(file);
            behind(&file, saving.docker_archive(&file)).await
        }
        (Transport::OciArchive, SaveTo::File(file)) => {
            let file = File::from(file);
            behind(&file, saving.oci_archive(&file)).await
        }
        (Transport::Dir, SaveTo::Folder(folder)) => saving.folder(&folder).await,
        (Transport::Oci, SaveTo::Folder(folder)) => saving.oci_folder(&folder).await,
        _ => Err(Error::Invalid("an archive is written to a file, and a directory to a directory".to_owned())),
    };
    for image in &chosen {
        saved = unless_gone(&engine, image.details.summary.id, &image.asked, saved).await;
    }
    for (image, digest) in chosen.iter().zip(saved?) {
        let id = image.details.summary.id;
        // What is written into has no name before it is whole.
        let place = place.as_ref().filter(|path| path.exists()).map(|path| path.display().to_string());
        announce(&engine, "save", &id, &place.or_else(|| image.names.first().cloned()).unwrap_or_default());
        reporter.say(PushProgress::Done { digest });
    }
    Ok(())
}

impl Chosen {
    /// The name that it is signed by.
    fn reference(&self) -> Result<Reference, Error> {
        let name = self.names.last().ok_or_else(|| SignatureError::Nameless { image: self.asked.clone() })?;
        Ok(name.parse()?)
    }
}

async fn choose(engine: &Engine, image: &SaveImage) -> Result<Chosen, Error> {
    let images = engine.images();
    let found = images.find(&image.name).await?;
    let details = images.inspect(&found.id.to_string()).await?;
    let mut names = image.tags.iter().map(|tag| Ok(new_name(tag)?.to_string())).collect::<Result<Vec<_>, Error>>()?;
    names
        .extend(found.name.filter(|name| name.tag().is_some() && name.digest().is_none()).map(|name| name.to_string()));
    let diff_ids = super::diff_ids(&details)?;
    let reference = match &image.layout_name {
        LayoutName::Own => names.last().cloned(),
        LayoutName::Said(name) => Some(name.clone()),
        LayoutName::Nothing => None,
    };
    Ok(Chosen { details, diff_ids, names, reference, asked: image.name.clone() })
}

async fn tar_size(engine: &Engine, diff_id: Digest) -> Result<u64, Error> {
    let size = engine.state(move |database| database.tar_size(&diff_id)).await?;
    size.ok_or_else(|| Error::NoSuchImage(diff_id.to_string()))
}

/// A member of an archive that is written.
fn header(name: &str, kind: tar::EntryType, size: u64, mode: u32) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// A tar that is written from its beginning to its end.
struct Tar {
    file: File,
    mode: u32,
}

impl Tar {
    fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(header(name, tar::EntryType::Regular, bytes.len() as u64, self.mode)?.as_bytes())?;
        self.file.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }

    fn pad(&mut self, length: u64) -> io::Result<()> {
        let padding = usize::try_from(length.next_multiple_of(512) - length).unwrap_or_default();
        self.file.write_all(&[0; 512][..padding])
    }

    fn end(&mut self) -> io::Result<()> {
        self.file.write_all(&[0; 1024])
    }
}

fn writing(source: io::Error) -> Error {
    Error::Io { doing: "writing the archive".to_owned(), source }
}

struct Saving<'a> {
    engine: &'a Engine,
    images: &'a [Chosen],
    /// Each once.
    layers: &'a [PullLayer],
    form: SaveAs,
    /// Signs what is written to a `dir`, the only one that has a place for it.
    signer: Signer,
    reporter: &'a Reporter<PushProgress>,
}

impl Saving<'_> {
    /// Answers what the digest of every image's manifest is there, as all of these do; an archive of Docker's has none.
    async fn docker_archive(&self, file: &File) -> Result<Vec<Digest>, Error> {
        let mut tar = Tar { file: file.try_clone().map_err(writing)?, mode: 0o444 };
        for layer in self.layers {
            let name = format!("{}.tar", layer.blob.hex());
            let header = header(&name, tar::EntryType::Regular, layer.size, 0o444).map_err(writing)?;
            tar.file.write_all(header.as_bytes()).map_err(writing)?;
            let to = tar.file.try_clone().map_err(writing)?;
            packing::write(self.engine, layer.blob, to.into()).await?;
            tar.pad(layer.size).map_err(writing)?;
            self.reporter.say(PushProgress::Copied { blob: layer.blob });
        }
        let mut manifest = Vec::new();
        let mut repositories = serde_json::Map::new();
        for image in self.images {
            let config = format!("{}.json", image.details.summary.id.hex());
            tar.add(&config, &image.details.config_bytes).map_err(writing)?;
            self.reporter.say(PushProgress::Config(image.details.summary.id));
            let layers: Vec<String> = image.diff_ids.iter().map(|layer| format!("{}.tar", layer.hex())).collect();
            manifest.push(json!({"Config": config, "RepoTags": image.names, "Layers": layers}));
            for name in &image.names {
                if let (Some((repository, tag)), Some(top)) = (name.rsplit_once(':'), image.diff_ids.last()) {
                    let entry = repositories.entry(repository).or_insert_with(|| json!({}));
                    entry[tag] = top.hex().into();
                }
            }
        }
        let manifest = serde_json::Value::Array(manifest).to_string();
        tar.add("manifest.json", manifest.as_bytes()).map_err(writing)?;
        repositories.sort_keys();
        tar.add("repositories", serde_json::Value::Object(repositories).to_string().as_bytes()).map_err(writing)?;
        tar.end().map_err(writing)?;
        sync(&tar.file).map_err(writing)?;
        Ok(self.images.iter().map(|image| image.details.summary.digest).collect())
    }

    async fn oci_archive(&self, file: &File) -> Result<Vec<Digest>, Error> {
        // How long a layer is when it is packed, and what it is called, is known when it is written: its header is written last.
        let seekable = file.metadata().map_err(writing)?.is_file();
        let folder = self.engine.paths().layers();
        let whole = if seekable { file.try_clone() } else { tempfile::tempfile_in(folder) }.map_err(writing)?;
        let mut tar = Tar { file: whole, mode: 0o644 };
        let mut packed = HashMap::new();
        for layer in self.layers {
            let at = tar.file.stream_position().map_err(writing)?;
            tar.file.write_all(&[0; 512]).map_err(writing)?;
            let what = self.packed(layer, &mut tar.file).await?;
            tar.pad(what.size).map_err(writing)?;
            let end = tar.file.stream_position().map_err(writing)?;
            let header =
                header(&blob_name(&what.digest), tar::EntryType::Regular, what.size, 0o644).map_err(writing)?;
            tar.file.seek(SeekFrom::Start(at)).map_err(writing)?;
            tar.file.write_all(header.as_bytes()).map_err(writing)?;
            tar.file.seek(SeekFrom::Start(end)).map_err(writing)?;
            packed.insert(layer.blob, what);
        }
        let (documents, digests) = self.oci_documents(&packed)?;
        for (name, bytes) in documents {
            tar.add(&name, &bytes).map_err(writing)?;
        }
        tar.end().map_err(writing)?;
        if seekable {
            sync(&tar.file).map_err(writing)?;
            return Ok(digests);
        }
        tar.file.rewind().map_err(writing)?;
        let (mut from, mut to) = (tar.file, file.try_clone().map_err(writing)?);
        self.engine
            .blocking("writing an archive", move || io::copy(&mut from, &mut to).map(drop).map_err(writing))
            .await?;
        Ok(digests)
    }

    async fn oci_folder(&self, folder: &Path) -> Result<Vec<Digest>, Error> {
        let at = |path: PathBuf| move |source| Error::Io { doing: format!("writing {}", path.display()), source };
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(at(blobs.clone()))?;
        let mut packed = HashMap::new();
        for layer in self.layers {
            let mut file = tempfile::Builder::new().prefix(".layer-").tempfile_in(&blobs).map_err(at(blobs.clone()))?;
            let what = self.packed(layer, file.as_file_mut()).await?;
            place(file, &blobs.join(what.digest.hex())).map_err(at(blobs.clone()))?;
            packed.insert(layer.blob, what);
        }
        let (documents, digests) = self.oci_documents(&packed)?;
        for (name, mut bytes) in documents {
            let path = folder.join(&name);
            if name == "index.json" {
                bytes = merged(&path, bytes).map_err(at(path.clone()))?;
            }
            put(&path, &bytes).map_err(at(path.clone()))?;
        }
        sync_folder(folder).map_err(at(folder.to_owned()))?;
        Ok(digests)
    }

    /// Writes a `dir`. What another image left there goes when this one is whole.
    async fn folder(&self, folder: &Path) -> Result<Vec<Digest>, Error> {
        let at = |path: PathBuf| move |source| Error::Io { doing: format!("writing {}", path.display()), source };
        let [image] = self.images else {
            return Err(Error::Invalid("a folder of this kind holds one image".to_owned()));
        };
        let signed_as = self.signer.signs().then(|| image.reference()).transpose()?;
        fs::create_dir_all(folder).map_err(at(folder.to_owned()))?;
        let before = previous(folder).map_err(at(folder.to_owned()))?.ok_or_else(|| {
            Error::Invalid(format!(
                "initializing destination dir:{}: not a containers image directory, don't want to overwrite important data",
                folder.display()
            ))
        })?;
        let mut parts = HashMap::new();
        for layer in self.layers {
            let mut file =
                tempfile::Builder::new().prefix(".layer-").tempfile_in(folder).map_err(at(folder.to_owned()))?;
            let what = self.packed(layer, file.as_file_mut()).await?;
            place(file, &folder.join(what.digest.hex())).map_err(at(folder.to_owned()))?;
            parts.insert(layer.blob, what);
        }
        let docker = self.form.docker(&image.details);
        let layers = layers(image, &parts, self.form.packing())?;
        let manifest = document::manifest(&image.details.manifest_bytes, &image.details.config_bytes, &layers, docker);
        let digest = Digest::of(&manifest);
        let id = image.details.summary.id;
        self.reporter.say(PushProgress::Config(id));
        for (name, bytes) in [
            (id.hex(), image.details.config_bytes.clone().into()),
            ("version".to_owned(), Bytes::from_static(b"Directory Transport Version: 1.1\n")),
            ("manifest.json".to_owned(), manifest),
        ] {
            let path = folder.join(name);
            put(&path, &bytes).map_err(at(path.clone()))?;
        }
        let mut ours: Vec<String> = parts.values().map(|part| part.digest.hex()).chain([id.hex()]).collect();
        if let Some(reference) = &signed_as {
            ours.extend(self.sign(folder, reference, &digest).await?);
        }
        for stale in before.into_iter().filter(|name| !ours.contains(name)) {
            fs::remove_file(folder.join(&stale)).map_err(at(folder.join(&stale)))?;
        }
        sync_folder(folder).map_err(at(folder.to_owned()))?;
        Ok(vec![digest])
    }

    /// Signs what is in a `dir` as `reference`, the image's own name: the folder has none. Answers the files of the signatures.
    async fn sign(&self, folder: &Path, reference: &Reference, digest: &Digest) -> Result<Vec<String>, Error> {
        self.reporter.say(PushProgress::Written);
        let say = |words| self.reporter.say(PushProgress::Signing(words));
        let signatures = self.signer.signatures(self.engine, reference, digest, say).await?;
        say("Storing signatures");
        let (folder, count) = (folder.to_owned(), signatures.len());
        self.engine.blocking("writing signatures", move || Ok(signature::folder::write(&folder, &signatures)?)).await?;
        Ok((1..=count).map(signature::folder::name).collect())
    }

    /// Configurations, manifests, the index and the file that says what it is, by their names in the layout.
    fn oci_documents(&self, packed: &HashMap<Digest, Packed>) -> Result<Written, Error> {
        let mut documents = Vec::new();
        let mut digests = Vec::new();
        let mut index = Vec::new();
        for image in self.images {
            let layers = layers(image, packed, self.form.packing())?;
            let config = Bytes::from(image.details.config_bytes.clone());
            let docker = self.form.docker(&image.details);
            let manifest = document::manifest(&image.details.manifest_bytes, &config, &layers, docker);
            digests.push(Digest::of(&manifest));
            let mut entry = json!({
                "mediaType": if docker { document::DOCKER_MANIFEST } else { document::OCI_MANIFEST },
                "digest": Digest::of(&manifest).to_string(),
                "size": manifest.len(),
            });
            if let Some(name) = &image.reference {
                entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            }
            index.push(entry);
            documents.push((blob_name(&image.details.summary.id), config));
            documents.push((blob_name(&Digest::of(&manifest)), manifest));
            self.reporter.say(PushProgress::Config(image.details.summary.id));
        }
        let index = json!({"schemaVersion": 2, "manifests": index});
        documents.push(("index.json".to_owned(), index.to_string().into()));
        documents.push(("oci-layout".to_owned(), Bytes::from_static(LAYOUT)));
        Ok((documents, digests))
    }

    /// Writes a layer, packed, to `file` where it is.
    async fn packed(&self, layer: &PullLayer, file: &mut File) -> Result<Packed, Error> {
        let packing = self.form.packing();
        if packing.compression == Compression::None {
            let to = file.try_clone().map_err(writing)?;
            packing::write(self.engine, layer.blob, to.into()).await?;
            self.reporter.say(PushProgress::Copied { blob: layer.blob });
            return Ok(Packed { digest: layer.blob, size: layer.size });
        }
        let mut outgoing = packing::outgoing(self.engine, layer.blob, packing).await?;
        while let Some(bytes) = outgoing.bytes.next().await {
            // Not worth a thread: it goes to the page cache.
            file.write_all(&bytes?).map_err(writing)?;
        }
        self.reporter.say(PushProgress::Copied { blob: layer.blob });
        outgoing.packed.await.map_err(|_| Error::Cancelled("packing a layer"))
    }
}

/// Documents by their names, and the digest of every image's manifest.
type Written = (Vec<(String, Bytes)>, Vec<Digest>);

/// What a `dir` is made of already, apart from what every one has: nothing when it is something else, and full.
fn previous(folder: &Path) -> io::Result<Option<Vec<String>>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    let known = fs::read_to_string(folder.join("version")).is_ok_and(|text| text.starts_with("Directory Transport"));
    if !known && !names.is_empty() {
        return Ok(None);
    }
    names.retain(|name| is_hex_id(name) || name.starts_with("signature-") || name.ends_with(".manifest.json"));
    Ok(Some(names))
}

/// The layers as a manifest lists them.
fn layers(image: &Chosen, packed: &HashMap<Digest, Packed>, packing: Packing) -> Result<Vec<Part>, Error> {
    let part = |diff_id: &Digest| {
        let what = packed.get(diff_id).ok_or_else(|| Error::NoSuchImage(diff_id.to_string()))?;
        Ok(Part { digest: what.digest, size: what.size, compression: packing.compression })
    };
    image.diff_ids.iter().map(part).collect()
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// What an index that is there already says beside ours: an image of the same name is replaced, one without a name stays.
fn merged(path: &Path, ours: Bytes) -> io::Result<Bytes> {
    let there = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ours),
        Err(error) => return Err(error),
    };
    let mut index: serde_json::Value = serde_json::from_slice(&there)?;
    let ours: serde_json::Value = serde_json::from_slice(&ours)?;
    let name = |entry: &serde_json::Value| entry["annotations"]["org.opencontainers.image.ref.name"].clone();
    let new = ours["manifests"].as_array().cloned().unwrap_or_default();
    let Some(entries) = index["manifests"].as_array_mut() else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no image index"));
    };
    let same = |one: &serde_json::Value, other: &serde_json::Value| {
        name(one) == name(other) && (!name(one).is_null() || one["digest"] == other["digest"])
    };
    entries.retain(|entry| !new.iter().any(|new| same(new, entry)));
    entries.extend(new);
    Ok(index.to_string().into())
}

/// Writes a whole file, or none.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    place(file, path)
}

/// Gives a finished file its name, and everybody the right to read it that the user's mask allows.
fn place(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Does `work`, which writes to `file`. Meanwhile what it has written goes to the disk, so that the sync at the end has little left to
/// wait for.
async fn behind<T>(file: &File, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    if !file.metadata().map_err(writing)?.is_file() {
        return work.await;
    }
    // Opened anew: each open file is told once of an error of the disk's, and the sync at the end is to hear of it too.
    let Ok(same) = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())) else { return work.await };
    tokio::select! {
        done = work => done,
        Err(error) = keep_syncing(&same) => Err(writing(error)),
    }
}

/// Until it fails.
async fn keep_syncing(file: &File) -> io::Result<Infallible> {
    let mut synced = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let written = file.metadata()?.len();
        if written >= synced + BEHIND {
            let file = file.try_clone()?;
            tokio::task::spawn_blocking(move || sync(&file)).await??;
            synced = written;
        }
    }
}

/// What is said to be saved is on the disk. A pipe has none.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        other => other,
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(folder)?).map_err(io::Error::from)
}

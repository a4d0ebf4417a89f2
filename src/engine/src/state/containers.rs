// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Containers in the database.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{Database, Doing as _, StateError};
use crate::container::{ContainerId, ContainerName, Record};
use crate::volume;

/// What came of adding a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is there.
    Done,
    /// The name belongs to this one.
    NameInUse(String),
    /// The image went in the meantime.
    NoImage,
}

/// What a text stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This one.
    One(ContainerId),
    /// It is the beginning of several ids.
    Several,
    /// Nothing.
    None,
}

impl Database {
    /// Adds a container under the first of `names` that is free, and those of its `volumes` that are not there; what is left in
    /// `volumes` was added. All of it is on disk then, unless it is `fleeting` and none of its volumes is new: what
    /// lies in a volume would be lost with the volume's record.
    pub fn add_container(
        &mut self,
        record: &mut Record,
        names: impl IntoIterator<Item = ContainerName>,
        volumes: &mut Vec<volume::Record>,
        fleeting: bool,
    ) -> Result<Added, StateError> {
        // Nobody is kept from removing an image there: its start says so then.
        let elsewhere = match &record.image {
            Some(image) if !self.stores.is_empty() => self.is_read_only(image)?,
            _ => false,
        };
        let all_known = volumes.iter().try_fold(true, |all, volume| Ok(all && self.volume(&volume.name)?.is_some()))?;
        let job = |transaction: &Transaction<'_>| {
            let image = record.image.as_ref().map(ToString::to_string).unwrap_or_default();
            if record.image.is_some() {
                let known = transaction
                    .prepare_cached("SELECT 1 FROM images WHERE id = ?1")
                    .and_then(|mut statement| statement.exists([&image]))
                    .doing("looking for an image")?;
                if !known && !elsewhere {
                    return Ok(Added::NoImage);
                }
            }
            let mut taken = String::new();
            for name in names {
                let holder = transaction
                    .prepare_cached("SELECT id FROM containers WHERE name = ?1")
                    .and_then(|mut statement| statement.query_row([name.as_str()], |row| row.get(0)).optional())
                    .doing("looking for a container's name")?;
                if let Some(holder) = holder {
                    taken = holder;
                    continue;
                }
                record.name = name;
                let json = serde_json::to_string(&record)
                    .map_err(|error| StateError::Corrupt { what: format!("a new container's record: {error}") })?;
                transaction
                    .prepare_cached(
                        "INSERT INTO containers (id, name, image, created, record) VALUES (?1, ?2, ?3, ?4, ?5)",
                    )
                    .and_then(|mut statement| {
                        let (id, name) = (record.id.to_string(), record.name.as_str());
                        statement.execute(params![id, name, image, record.created, json])
                    })
                    .doing("adding a container")?;
                let mut added = Vec::new();
                for volume in volumes.drain(..) {
                    if super::volumes::insert(transaction, &volume)? {
                        added.push(volume);
                    }
                }
                *volumes = added;
                return Ok(Added::Done);
            }
            Ok(Added::NameInUse(taken))
        };
        let doing = "adding a container";
        if fleeting && all_known { self.write_fleeting(doing, job) } else { self.write(doing, job) }
    }

    /// Finds the container whose name or id `text` is, else the only one whose id begins with it.
    pub fn find_container(&self, text: &str) -> Result<Found, StateError> {
        let doing = "looking for a container";
        if text.is_empty() {
            return Ok(Found::None);
        }
        // Ids are hexadecimal digits, all of which sort before 'g'.
        let sql = "SELECT id, name FROM containers WHERE name = ?1 OR (id >= ?1 AND id < ?1 || 'g') LIMIT 8";
        let mut statement = self.reader().prepare_cached(sql).doing(doing)?;
        let mut rows = statement.query([text]).doing(doing)?;
        let (mut first, mut several) = (None, false);
        while let Some(row) = rows.next().doing(doing)? {
            let id: String = row.get(0).doing(doing)?;
            let name: String = row.get(1).doing(doing)?;
            let parsed = parse_id(&id)?;
            if name == text || id == text {
                return Ok(Found::One(parsed));
            }
            several = first.replace(parsed).is_some();
        }
        match first {
            // An exact name may be beyond the limit.
            Some(_) if several => match self.container_of_name(text)? {
                Some(id) => Ok(Found::One(id)),
                None => Ok(Found::Several),
            },
            Some(id) => Ok(Found::One(id)),
            None => Ok(Found::None),
        }
    }

    fn container_of_name(&self, name: &str) -> Result<Option<ContainerId>, StateError> {
        let id: Option<String> = self
            .reader()
            .prepare_cached("SELECT id FROM containers WHERE name = ?1")
            .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
            .doing("looking for a container's name")?;
        id.map(|id| parse_id(&id)).transpose()
    }

    /// One container.
    pub fn container(&self, id: &ContainerId) -> Result<Option<Record>, StateError> {
        self.reader()
            .prepare_cached("SELECT record FROM containers WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id.to_string()], json).optional())
            .doing("reading a container")?
            .map(|json| parse(&json))
            .transpose()
    }

    /// All containers, the oldest first.
    pub fn containers(&self) -> Result<Vec<Record>, StateError> {
        let doing = "listing the containers";
        let sql = "SELECT record FROM containers ORDER BY created";
        let mut statement = self.reader().prepare_cached(sql).doing(doing)?;
        let mut rows = statement.query([]).doing(doing)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().doing(doing)? {
            let text = row.get_ref(0).doing(doing)?.as_str().map_err(|error| corrupt(&error))?;
            records.push(parse(text)?);
        }
        Ok(records)
    }

    /// Takes away all containers that were to last as long as the runtime folder, which has gone, and the volumes that were made for
    /// them and that nobody else has. Their folders are garbage then.
    pub(crate) fn remove_transient(&mut self) -> Result<(), StateError> {
        for record in self.containers()?.iter().filter(|record| record.options.transient) {
            self.remove_container(&record.id)?;
        }
        for volume in self.volumes()?.iter().filter(|volume| volume.transient) {
            self.remove_volume(&volume.name)?;
        }
        Ok(())
    }

    /// Containers whose records cannot be read, and why.
    pub fn unreadable_containers(&self) -> Result<Vec<(ContainerId, String)>, StateError> {
        let doing = "listing the containers";
        let mut statement = self.reader().prepare_cached("SELECT id, record FROM containers").doing(doing)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        let mut unreadable = Vec::new();
        for row in rows.doing(doing)? {
            let (id, record) = row.doing(doing)?;
            if let Err(error) = parse(&record) {
                unreadable.push((parse_id(&id)?, error.to_string()));
            }
        }
        Ok(unreadable)
    }

    /// The ids of all containers.
    pub fn container_ids(&self) -> Result<Vec<ContainerId>, StateError> {
        let doing = "listing the containers";
        let mut statement = self.reader().prepare_cached("SELECT id FROM containers").doing(doing)?;
        let ids: Vec<String> = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).doing(doing)?;
        ids.iter().map(|id| parse_id(id)).collect()
    }

    /// How many images there are, those of additional stores among them.
    pub fn count_images(&mut self) -> Result<usize, StateError> {
        let count = |connection: &Connection| {
            let count = connection.query_row("SELECT count(*) FROM images", [], |row| row.get::<_, i64>(0));
            Ok(usize::try_from(count.doing("counting the images")?).unwrap_or_default())
        };
        let mut all = count(self.reader())?;
        for store in self.additional()? {
            all += count(store.reader())?;
        }
        Ok(all)
    }

    /// Changes a container's record by `change`. Its name may be another one afterwards: who has that already is answered. Nothing
    /// when there is no such container.
    pub fn change_container(
        &mut self,
        id: &ContainerId,
        change: impl FnOnce(&mut Record),
    ) -> Result<Option<Added>, StateError> {
        self.write("changing a container", |transaction| {
            let found = transaction
                .prepare_cached("SELECT record FROM containers WHERE id = ?1")
                .and_then(|mut statement| statement.query_row([id.to_string()], json).optional())
                .doing("reading a container")?;
            let Some(found) = found else { return Ok(None) };
            let mut record = parse(&found)?;
            change(&mut record);
            let holder: Option<String> = transaction
                .prepare_cached("SELECT id FROM containers WHERE name = ?1 AND id <> ?2")
                .and_then(|mut statement| {
                    statement.query_row(params![record.name.as_str(), id.to_string()], |row| row.get(0)).optional()
                })
                .doing("looking for a container's name")?;
            if let Some(holder) = holder {
                return Ok(Some(Added::NameInUse(holder)));
            }
            let json = serde_json::to_string(&record)
                .map_err(|error| StateError::Corrupt { what: format!("a container's record: {error}") })?;
            transaction
                .prepare_cached("UPDATE containers SET name = ?2, record = ?3 WHERE id = ?1")
                .and_then(|mut statement| statement.execute(params![id.to_string(), record.name.as_str(), json]))
                .doing("changing a container")?;
            Ok(Some(Added::Done))
        })
    }

    /// Takes a container away. Whether it was there.
    pub fn remove_container(&mut self, id: &ContainerId) -> Result<bool, StateError> {
        self.remove("removing a container", |transaction| {
            transaction
                .prepare_cached("DELETE FROM containers WHERE id = ?1")
                .and_then(|mut statement| statement.execute([id.to_string()]))
                .doing("removing a container")
                .map(|count| count > 0)
        })
    }
}

fn json(row: &Row<'_>) -> Result<String, rusqlite::Error> {
    row.get(0)
}

fn parse(json: &str) -> Result<Record, StateError> {
    serde_json::from_str(json).map_err(|error| StateError::Corrupt { what: format!("a container's record: {error}") })
}

fn parse_id(id: &str) -> Result<ContainerId, StateError> {
    id.parse().map_err(|error| corrupt(&error))
}

fn corrupt(error: &dyn std::fmt::Display) -> StateError {
    StateError::Corrupt { what: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Options;
    use crate::digest::Digest;

    fn database(folder: &tempfile::TempDir) -> Database {
        let mut database = Database::open(&folder.path().join("state.db")).unwrap();
        database
            .write("adding an image", |transaction| {
                let sql = "INSERT INTO images VALUES (?1, ?1, '{}', '{}', 0, 0)";
                transaction.execute(&sql.replace("'{}'", "x'7b7d'"), [image().to_string()]).doing("adding").map(drop)
            })
            .unwrap();
        database
    }

    fn image() -> Digest {
        Digest::of(b"image")
    }

    fn record(id: &str) -> Record {
        Record {
            id: format!("{id:0<64}").parse().unwrap(),
            name: "x".parse().unwrap(),
            image: Some(image()),
            image_name: "i".into(),
            created: 1,
            options: Options::default(),
            command: vec!["sh".into()],
            entrypoint: 0,
            ports: Vec::new(),
            volumes: Vec::new(),
            exposed: Vec::new(),
            mapping: None,
        }
    }

    fn names(names: &[&str]) -> Vec<ContainerName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_record_that_cannot_be_read_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder);
        database.add_container(&mut record("a"), ["a".parse().unwrap()], &mut Vec::new(), false).unwrap();
        assert_eq!(database.unreadable_containers().unwrap(), []);
        database
            .write("breaking a record", |transaction| {
                transaction.execute("UPDATE containers SET record = '{'", []).doing("breaking a record").map(drop)
            })
            .unwrap();
        assert_eq!(database.unreadable_containers().unwrap()[0].0, record("a").id);
    }

    #[test]
    fn a_container_is_found_by_its_name_its_id_and_the_beginning_of_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder);
        let (mut one, mut two, mut three) = (record("aab"), record("aac"), record("b"));
        assert_eq!(database.add_container(&mut one, names(&["one"]), &mut Vec::new(), false).unwrap(), Added::Done);
        assert_eq!(database.add_container(&mut two, names(&["two"]), &mut Vec::new(), false).unwrap(), Added::Done);
        assert_eq!(database.add_container(&mut three, names(&["aa"]), &mut Vec::new(), false).unwrap(), Added::Done);
        let find = |text: &str| database.find_container(text).unwrap();
        assert_eq!(find("one"), Found::One(one.id));
        assert_eq!(find(&two.id.to_string()), Found::One(two.id));
        assert_eq!(find("aab"), Found::One(one.id));
        assert_eq!(find("a"), Found::Several);
        assert_eq!(find("aa"), Found::One(three.id), "a name counts more than the beginning of an id");
        for nothing in ["", "on", "aad", "%", "ag", "'"] {
            assert_eq!(find(nothing), Found::None, "{nothing}");
        }
    }

    #[test]
    fn a_name_is_given_once_and_the_next_free_one_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder);
        let (mut one, mut two) = (record("1"), record("2"));
        assert_eq!(database.add_container(&mut one, names(&["a"]), &mut Vec::new(), false).unwrap(), Added::Done);
        let in_use = database.add_container(&mut two, names(&["a"]), &mut Vec::new(), false).unwrap();
        assert_eq!(in_use, Added::NameInUse(one.id.to_string()));
        assert_eq!(database.add_container(&mut two, names(&["a", "b"]), &mut Vec::new(), false).unwrap(), Added::Done);
        assert_eq!(database.container(&two.id).unwrap().unwrap().name.as_str(), "b");
        assert_eq!(database.containers().unwrap().len(), 2);
    }

    #[test]
    fn a_container_gets_another_name_unless_that_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder);
        let (mut one, mut two) = (record("1"), record("2"));
        database.add_container(&mut one, names(&["a"]), &mut Vec::new(), false).unwrap();
        database.add_container(&mut two, names(&["b"]), &mut Vec::new(), false).unwrap();
        let mut rename = |id: &ContainerId, name: &str| {
            database.change_container(id, |record| record.name = name.parse().unwrap()).unwrap()
        };
        assert_eq!(rename(&one.id, "b"), Some(Added::NameInUse(two.id.to_string())));
        assert_eq!(rename(&one.id, "c"), Some(Added::Done));
        assert_eq!(rename(&one.id, "c"), Some(Added::Done));
        assert_eq!(rename(&record("3").id, "d"), None);
        assert_eq!(database.find_container("c").unwrap(), Found::One(one.id));
        assert_eq!(database.find_container("a").unwrap(), Found::None);
    }

    #[test]
    fn a_container_of_an_image_that_is_not_there_is_not_added() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder);
        let mut orphan = Record { image: Some(Digest::of(b"other")), ..record("1") };
        assert_eq!(database.add_container(&mut orphan, names(&["a"]), &mut Vec::new(), false).unwrap(), Added::NoImage);
        assert_eq!(database.find_container("a").unwrap(), Found::None);
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;
use crate::state::Database;

struct Fixture {
    _folder: tempfile::TempDir,
    database: Database,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("state.db")).unwrap();
        Self { _folder: folder, database }
    }

    /// An image made of layers that are called by a letter each, under names.
    fn add(&mut self, config: &str, layers: &str, names: &[&str]) -> Digest {
        let id = Digest::of(config.as_bytes());
        let layers: Vec<Digest> = layers.bytes().map(|letter| Digest::of(&[letter])).collect();
        let names: Vec<Reference> = names.iter().map(|name| name.parse().unwrap()).collect();
        let new = New {
            id,
            digest: manifest_of(config),
            index: Some(Digest::of(b"index")),
            config: config.as_bytes(),
            manifest: b"{}",
            created: 7,
            layers: &layers,
            names: &names,
        };
        self.database
            .write("adding", |transaction| {
                for layer in &layers {
                    let layer = Layer { diff_id: *layer, size: 1, tar_size: 1000, entries: 1 };
                    add_layer(transaction, &layer)?;
                }
                add(transaction, &new)
            })
            .unwrap();
        id
    }

    fn entry(&self, id: &Digest) -> Entry {
        get(self.database.reader(), id).unwrap().unwrap().0
    }

    fn find(&self, text: &str, preferred: &[&str]) -> Answer {
        let preferred = preferred.iter().map(|name| name.parse().unwrap()).collect();
        find(self.database.reader(), &Wanted::Name(text.parse().unwrap()), |_| preferred).unwrap()
    }

    fn found(&self, text: &str, preferred: &[&str]) -> Option<(Digest, Option<String>)> {
        match self.find(text, preferred) {
            Answer::Found(found) => Some((found.id, found.name.map(|name| name.to_string()))),
            _ => None,
        }
    }
}

fn manifest_of(config: &str) -> Digest {
    Digest::of(format!("manifest of {config}").as_bytes())
}

#[test]
fn an_image_is_found_by_its_full_name_and_no_other() {
    let mut store = Fixture::new();
    let id = store.add("one", "a", &["q.io/team/app:1"]);
    assert_eq!(store.found("q.io/team/app:1", &[]), Some((id, Some("q.io/team/app:1".into()))));
    assert_eq!(store.found("q.io/team/app", &[]), None);
    assert_eq!(store.found("q.io/app:1", &[]), None);
    assert_eq!(store.found("r.io/team/app:1", &[]), None);
}

#[test]
fn a_short_name_is_what_the_settings_say_and_else_the_newest_name_that_ends_with_it() {
    let mut store = Fixture::new();
    let one = store.add("one", "a", &["q.io/x/app:latest"]);
    let two = store.add("two", "a", &["r.io/app:latest"]);
    let other = store.add("other", "a", &["q.io/something/else:latest", "q.io/myapp:latest"]);
    assert_eq!(store.found("app", &["q.io/x/app"]).unwrap().0, one);
    assert_eq!(store.found("app", &["localhost/app"]).unwrap().0, two);
    assert_eq!(store.found("x/app", &[]).unwrap().0, one);
    // An alias need not look like what it stands for.
    assert_eq!(store.found("app", &["q.io/something/else"]).unwrap().0, other);
    assert_eq!(store.found("pp", &[]), None);
}

#[test]
fn the_beginning_of_an_id_is_enough_when_it_is_of_one_only_and_no_name() {
    let mut store = Fixture::new();
    let ids: Vec<Digest> = (0..20).map(|number| store.add(&number.to_string(), "a", &[])).collect();
    for id in &ids {
        assert_eq!(store.found(&id.hex()[..20], &[]), Some((*id, None)));
    }
    let first = |digit: char| ids.iter().filter(|id| id.hex().starts_with(digit)).count();
    for digit in "0123456789abcdef".chars() {
        match (first(digit), store.find(&digit.to_string(), &[])) {
            (0, Answer::None) | (1, Answer::Found(_)) | (2.., Answer::Ambiguous) => {}
            (count, answer) => panic!("{count} ids begin with {digit}, but {answer:?}"),
        }
    }
    let short = &ids[0].hex()[..8];
    store.add("named", "a", &[&format!("localhost/{short}:latest")]);
    assert_eq!(store.found(short, &[]).unwrap().0, Digest::of(b"named"));
}

#[test]
fn a_digest_finds_the_image_in_its_repository_under_any_tag() {
    let mut store = Fixture::new();
    let id = store.add("one", "a", &["q.io/app:1"]);
    for digest in [manifest_of("one"), Digest::of(b"index")] {
        let name = format!("q.io/app@{digest}");
        assert_eq!(store.found(&name, &[]), Some((id, Some(name.clone()))));
        assert_eq!(store.found(&format!("q.io/app:2@{digest}"), &[]).unwrap().0, id);
        assert_eq!(store.found(&format!("app@{digest}"), &[]).unwrap().0, id);
        assert_eq!(store.found(&format!("q.io/other@{digest}"), &[]), None);
    }
    assert_eq!(store.found(&format!("q.io/app@{}", Digest::of(b"?")), &[]), None);
}

#[test]
fn a_name_moves_and_the_image_that_had_it_stays_without() {
    let mut store = Fixture::new();
    let old = store.add("old", "a", &["q.io/app:1"]);
    let new = store.add("new", "ab", &["q.io/app:1"]);
    assert_eq!(store.found("q.io/app:1", &[]).unwrap().0, new);
    assert!(store.entry(&old).names.is_empty());
}

#[test]
fn names_are_listed_the_newest_first() {
    let mut store = Fixture::new();
    let id = store.add("one", "a", &["q.io/b:1", "q.io/a:1"]);
    store.database.write("naming", |transaction| give_name(transaction, &id, &"q.io/b:1".parse().unwrap())).unwrap();
    let names: Vec<_> = store.entry(&id).names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["q.io/b:1", "q.io/a:1"]);
}

#[test]
fn a_size_is_that_of_the_layers_once_each_position_and_the_documents() {
    let mut store = Fixture::new();
    let id = store.add("one", "aba", &[]);
    assert_eq!(store.entry(&id).size, 3 * 1000 + 3 + 2 * 2);
    store.add("one", "aba", &["q.io/again:1"]);
    assert_eq!(store.entry(&id).size, 3 * 1000 + 3 + 2 * 2);
}

#[test]
fn a_start_gets_the_layers_the_uppermost_first_and_each_once() {
    let mut store = Fixture::new();
    let id = store.add("one", "abcb", &["q.io/a:1", "q.io/b:1"]);
    let start = |name: Option<&str>| {
        let found = Found { id, name: name.map(|name| name.parse().unwrap()) };
        for_start(store.database.reader(), &found).unwrap().unwrap()
    };
    assert_eq!(start(None).layers, [Digest::of(b"b"), Digest::of(b"c"), Digest::of(b"a")]);
    assert_eq!(start(None).name.as_deref(), Some("q.io/b:1"));
    assert_eq!(start(Some("q.io/a:1")).name.as_deref(), Some("q.io/a:1"));
    assert_eq!(start(None).config, b"one");
}

#[test]
fn removing_an_image_frees_only_what_no_other_image_needs() {
    let mut store = Fixture::new();
    let one = store.add("one", "abb", &["q.io/a:1"]);
    let two = store.add("two", "ac", &[]);
    let mut removed = |id: &Digest| store.database.write("removing", |transaction| remove(transaction, id)).unwrap();
    assert_eq!(removed(&one), [Digest::of(b"b")]);
    let mut rest = removed(&two);
    rest.sort();
    let mut expected = [Digest::of(b"a"), Digest::of(b"c")];
    expected.sort();
    assert_eq!(rest, expected);
    for table in ["images", "image_layers", "image_names", "image_digests", "layers"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let count: i64 = store.database.reader().query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

#[test]
fn an_image_with_a_container_cannot_be_removed_behind_its_back() {
    let mut store = Fixture::new();
    let id = store.add("one", "a", &[]);
    store
        .database
        .write("adding a container", |transaction| {
            transaction
                .execute("INSERT INTO containers VALUES ('c', 'n', ?1, 0, '{}')", [id.to_string()])
                .doing("adding a container")
                .map(drop)
        })
        .unwrap();
    assert!(store.database.write("removing", |transaction| remove(transaction, &id)).is_err());
    assert_eq!(store.entry(&id).containers, 1);
    assert_eq!(containers(store.database.reader(), &id).unwrap(), ["c"]);
}

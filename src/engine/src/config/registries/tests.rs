// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;

struct Machine {
    root: tempfile::TempDir,
    folders: Folders,
}

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let folders =
            Folders { user: Some(at("user")), system: at("etc"), vendor: at("usr"), cache: Some(at("cache")) };
        for (path, text) in files {
            let path = at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { root, folders }
    }

    fn read(&self) -> Registries {
        Registries::read_with(&self.folders, None).unwrap()
    }

    fn error(&self) -> String {
        Registries::read_with(&self.folders, None).unwrap_err().to_string()
    }
}

fn names(registries: &Registries, name: &str) -> Vec<String> {
    registries.candidates(&name.parse().unwrap()).unwrap().names.iter().map(ToString::to_string).collect()
}

fn endpoints(registries: &Registries, name: &str) -> Vec<(String, bool)> {
    let endpoints = registries.endpoints(&name.parse().unwrap()).unwrap();
    endpoints.into_iter().map(|endpoint| (endpoint.reference.to_string(), endpoint.insecure)).collect()
}

#[test]
fn without_any_file_a_short_name_leads_nowhere_in_podman_s_words() {
    let machine = Machine::new(&[]);
    let error = machine.read().candidates(&"debian".parse().unwrap()).unwrap_err().to_string();
    let file = machine.root.path().join("etc/registries.conf");
    assert_eq!(
        error,
        format!(
            "short-name \"debian\" did not resolve to an alias and no unqualified-search registries are defined in {file:?}"
        )
    );
}

#[test]
fn a_short_name_is_an_alias_or_else_searched_in_order() {
    let machine = Machine::new(&[
        ("etc/registries.conf", "unqualified-search-registries = ['docker.io', 'localhost:5000/team']"),
        (
            "etc/registries.conf.d/a.conf",
            "[aliases]\nfedora = 'registry.fedoraproject.org/fedora'\n'a/b' = 'quay.io/c'",
        ),
    ]);
    let registries = machine.read();
    assert_eq!(names(&registries, "fedora:41"), ["registry.fedoraproject.org/fedora:41"]);
    assert_eq!(names(&registries, "a/b"), ["quay.io/c:latest"]);
    assert_eq!(names(&registries, "x"), ["docker.io/library/x:latest", "localhost:5000/team/x:latest"]);
    assert_eq!(names(&registries, "quay.io/fedora"), ["quay.io/fedora:latest"]);
}

#[test]
fn the_user_s_main_file_replaces_and_drop_ins_add_or_take_away() {
    let machine = Machine::new(&[
        ("etc/registries.conf", "unqualified-search-registries = ['a.io']\n[aliases]\nx = 'q.io/x'"),
        ("etc/registries.conf.d/1.conf", "[aliases]\ny = 'q.io/y'\nz = 'q.io/z'"),
        ("user/registries.conf", "unqualified-search-registries = ['b.io']"),
        ("user/registries.conf.d/1.conf", "[aliases]\ny = ''"),
        ("user/registries.conf.d/2.notconf", "not toml"),
        ("cache/short-name-aliases.conf", "[aliases]\nz = 'r.io/z'"),
    ]);
    let registries = machine.read();
    assert_eq!(names(&registries, "x"), ["b.io/x:latest"]);
    assert_eq!(names(&registries, "y"), ["b.io/y:latest"]);
    assert_eq!(names(&registries, "z"), ["r.io/z:latest"]);
}

#[test]
fn enforcing_does_not_guess_where_nobody_can_be_asked() {
    let machine = Machine::new(&[(
        "etc/registries.conf",
        "unqualified-search-registries = ['a.io', 'b.io']\nshort-name-mode = 'enforcing'",
    )]);
    let registries = machine.read();
    let name: Name = "x".parse().unwrap();
    assert_eq!(registries.candidates(&name).unwrap().names.len(), 2);
    assert!(registries.candidates_unasked(&name).unwrap_err().to_string().contains("a.io/x:latest, b.io/x:latest"));
}

#[test]
fn a_registry_nobody_configured_is_spoken_to_securely() {
    assert_eq!(endpoints(&Registries::default(), "q.io/x"), [("q.io/x:latest".to_owned(), false)]);
}

#[test]
fn the_longest_prefix_decides_and_ends_with_a_component() {
    let machine = Machine::new(&[(
        "etc/registries.conf",
        "[[registry]]\nlocation = 'q.io'\ninsecure = true\n[[registry]]\nprefix = 'q.io/team'\nlocation = 'r.io/other'\n\
         [[registry]]\nprefix = '*.corp.io'\nlocation = 'proxy.io/corp'",
    )]);
    let registries = machine.read();
    let one = |name: &str| endpoints(&registries, name).remove(0);
    assert_eq!(one("q.io/x"), ("q.io/x:latest".to_owned(), true));
    assert_eq!(one("q.io/team/x:1"), ("r.io/other/x:1".to_owned(), false));
    assert_eq!(one("q.io/teams/x"), ("q.io/teams/x:latest".to_owned(), true));
    assert_eq!(one("a.corp.io/x"), ("proxy.io/corp/x:latest".to_owned(), false));
    assert_eq!(one("corp.io/x"), ("corp.io/x:latest".to_owned(), false));
}

#[test]
fn mirrors_come_first_and_may_be_for_digests_or_tags_only() {
    let machine = Machine::new(&[(
        "etc/registries.conf",
        "[[registry]]\nlocation = 'q.io'\n[[registry.mirror]]\nlocation = 'm.io'\ninsecure = true\n\
         [[registry.mirror]]\nlocation = 'd.io/q'\npull-from-mirror = 'digest-only'\n\
         [[registry.mirror]]\nlocation = 't.io'\npull-from-mirror = 'tag-only'",
    )]);
    let registries = machine.read();
    let hosts = |name: &str| -> Vec<String> {
        endpoints(&registries, name)
            .into_iter()
            .map(|(name, _)| name.split(['@', ':']).next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(hosts("q.io/x"), ["m.io/x", "t.io/x", "q.io/x"]);
    let digest = crate::digest::Digest::of(b"x");
    assert_eq!(hosts(&format!("q.io/x@{digest}")), ["m.io/x", "d.io/q/x", "q.io/x"]);
    assert!(endpoints(&registries, "q.io/x")[0].1);
}

#[test]
fn a_blocked_registry_is_refused_by_name_and_file() {
    let machine = Machine::new(&[("etc/registries.conf", "[[registry]]\nlocation = 'q.io/bad'\nblocked = true")]);
    let error = machine.read().endpoints(&"q.io/bad/x".parse().unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("registry q.io/bad is blocked in ") && error.ends_with("etc/registries.conf"), "{error}");
}

#[test]
fn broken_files_are_named() {
    for (text, words) in [
        ("unqualified-search-registries = 'a'", "invalid type"),
        ("unqualified-search-registries = ['https://a.io']", "https://a.io"),
        ("short-name-mode = 'loose'", "loose"),
        ("[[registry]]\ninsecure = true", "both location and prefix are unset"),
        ("[[registry]]\nlocation = '../x'", "../x"),
        ("[aliases]\nx = 'y'", "alias"),
        ("[aliases]\nx = 'q.io/y:1'", "alias"),
        ("[", "registries.conf, line 1, column "),
        ("\n[[registry]]\nlocation = 3", "registries.conf, line "),
    ] {
        let error = Machine::new(&[("etc/registries.conf", text)]).error();
        assert!(error.contains("etc/registries.conf") && error.contains(words), "{text}: {error}");
    }
}

#[test]
fn keys_that_nobody_knows_are_told() {
    let machine = Machine::new(&[(
        "etc/registries.conf",
        "credential-helpers = ['x']\nfoo = 1\n[[registry]]\nlocation = 'q.io'\nbar = 'x'",
    )]);
    let registries = machine.read();
    let told = registries.warnings();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].ends_with("registries.conf: the key foo is not known") && told[1].contains("registry.bar"));
}

#[test]
fn local_images_are_preferred_by_alias_then_made_here_then_searched() {
    let machine =
        Machine::new(&[("etc/registries.conf", "unqualified-search-registries = ['a.io']\n[aliases]\nx = 'q.io/x'")]);
    let names: Vec<_> =
        machine.read().local_candidates(&"x:1".parse().unwrap()).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["q.io/x:1", "localhost/x:1", "a.io/x:1"]);
}

#[test]
fn whatever_is_in_the_file_it_is_read_or_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("registries.conf");
    haulout_fuzz::feed("registries", |bytes| {
        fs::write(&path, bytes).unwrap();
        let mut registries = Registries::default();
        if registries.merge(&path).is_ok() {
            for name in ["busybox", "quay.io/a/b:1", "localhost:5000/x"] {
                let name: Name = name.parse().unwrap();
                let _ = registries.candidates(&name);
                if let Some(full) = name.full() {
                    let _ = registries.endpoints(&full);
                }
            }
        }
    });
}

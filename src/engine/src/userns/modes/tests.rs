// SPDX-License-Identifier: Apache-2.0 OR MIT
use super::*;

fn outer() -> Map {
    let extents =
        vec![Extent { inside: 0, outside: 1000, count: 1 }, Extent { inside: 1, outside: 100_000, count: 65536 }];
    Map { users: extents.clone(), groups: extents, warning: None }
}

fn users(text: &str) -> Vec<(u32, u32, u32)> {
    mapping(&text.parse().unwrap(), &outer(), 1024, &[]).unwrap().unwrap().users
}

fn explicit(users: &[&str], groups: &[&str]) -> Result<Mapping, String> {
    let parse = |texts: &[&str], of| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Asked::parse_all(&texts, of).map_err(|error| error.to_string())
    };
    let (users, groups) = (parse(users, Ids::Users)?, parse(groups, Ids::Groups)?);
    let asked = Userns::Maps { users, groups, user_name: None, group_name: None };
    mapping(&asked, &outer(), 0, &[]).map(Option::unwrap).map_err(|error| error.to_string())
}

fn explicit_users(maps: &[&str]) -> Result<Vec<Part>, String> {
    explicit(maps, &[]).map(|map| map.users)
}

#[test]
fn the_modes_come_to_podmans_maps() {
    assert_eq!(users("keep-id"), [(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64536)]);
    assert_eq!(users("keep-id:uid=5,gid=6"), [(0, 1, 5), (5, 0, 1), (6, 6, 65531)]);
    assert_eq!(users("keep-id:uid=0"), [(0, 0, 1), (1, 1, 65536)]);
    assert_eq!(users("keep-id:size=65536"), [(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64535)]);
    assert_eq!(users("keep-id:size=10"), [(0, 1, 1000), (1000, 0, 1)]);
    assert_eq!(users("nomap"), [(0, 1, 65536)]);
    assert_eq!(users("auto"), [(0, 1, 1024)]);
    assert_eq!(users("auto:size=100"), [(0, 1, 100)]);
}

#[test]
fn what_an_automatic_map_is_to_have_comes_after_the_ids_that_are_found_for_it() {
    assert_eq!(users("auto:uidmapping=0:0:1"), [(1, 1, 1023), (0, 0, 1)]);
    assert_eq!(users("auto:size=10,uidmapping=5:@1000:1"), [(0, 1, 5), (6, 6, 4), (5, 0, 1)]);
    assert_eq!(users("auto:size=10,uidmapping=5:7:3"), [(0, 1, 5), (8, 6, 1), (9, 10, 1), (5, 7, 3)]);
    assert_eq!(users("auto:size=10,uidmapping=20:7:3"), [(0, 1, 6), (6, 10, 4), (20, 7, 3)]);
    assert_eq!(users("auto:size=10,uidmapping=0:1:20"), [(0, 1, 20)]);
    assert_eq!(users("auto:size=10,uidmapping=0:7:0"), [(0, 1, 10)]);
    assert_eq!(users("auto:size=65536,uidmapping=0:0:1"), [(1, 1, 65535), (0, 0, 1)]);
    let mode = "auto:size=10,gidmapping=3:0:1".parse().unwrap();
    let map = mapping(&mode, &outer(), 0, &[]).unwrap().unwrap();
    assert_eq!((map.users, map.groups), (vec![(0, 1, 10)], vec![(0, 1, 3), (4, 4, 6), (3, 0, 1)]));
    for (text, words) in [
        ("uidmapping=0:9:1,uidmapping=0:7:1", "mapping 0:7:1 conflicts"),
        ("uidmapping=3:7:1,uidmapping=1:5:3", "mapping 1:5:3 conflicts"),
        ("uidmapping=0:@5:1", "parent ID UID 5 is not mapped"),
        ("uidmapping=0:70000:2", "leads to ids that the user namespace does not have"),
        ("size=65537,uidmapping=0:0:1", "not enough unused IDs"),
        ("size=4294967295,uidmapping=4294967200:0:90", "not enough unused IDs"),
    ] {
        let refused = mapping(&format!("auto:{text}").parse().unwrap(), &outer(), 10, &[]).unwrap_err();
        assert!(refused.to_string().contains(words), "{text}: {refused}");
    }
}

#[test]
fn explicit_maps_are_taken_as_they_are_or_extended() {
    assert_eq!(explicit_users(&["0:1:3"]).unwrap(), [(0, 1, 3)]);
    assert_eq!(explicit_users(&["0:1"]).unwrap(), [(0, 1, 1)]);
    assert_eq!(explicit_users(&["1:1:100", "0:0:1"]).unwrap(), [(0, 0, 101)]);
    let extended = [(0, 1, 5), (5, 0, 1), (6, 6, 65531)];
    assert_eq!(explicit_users(&["+5:0:1"]).unwrap(), extended);
    assert_eq!(explicit_users(&["+5:@1000:1"]).unwrap(), extended);
    assert_eq!(explicit_users(&["0:0:10", "+20:5:1"]).unwrap(), [(0, 0, 5), (6, 6, 4), (20, 5, 1)]);
    assert_eq!(
        explicit_users(&["0:0:10", "+20:5:1", "5:11:1"]).unwrap(),
        [(0, 0, 5), (5, 11, 1), (6, 6, 4), (20, 5, 1)]
    );
    assert_eq!(
        explicit_users(&["+20:5:3", "+19:7:2"]).unwrap(),
        [(0, 0, 6), (6, 9, 13), (19, 7, 2), (21, 6, 1), (22, 22, 65515)]
    );
    assert_eq!(explicit_users(&["0:0:10", "+5:20:0"]).unwrap(), [(0, 0, 10)]);
    assert_eq!(explicit_users(&["0:@100010:3"]).unwrap(), [(0, 11, 3)]);
}

#[test]
fn what_is_said_of_one_kind_of_ids_stands_for_both_unless_a_flag_says_which() {
    let whole = vec![(0, 0, 1), (1, 1, 65536)];
    for (users, groups, of_users, of_groups) in [
        (&["0:1:3"][..], &[][..], vec![(0, 1, 3)], vec![(0, 1, 3)]),
        (&[], &["0:1:3"], vec![(0, 1, 3)], vec![(0, 1, 3)]),
        (&["u0:1:3"], &[], vec![(0, 1, 3)], whole.clone()),
        (&["g0:1:3"], &[], whole.clone(), vec![(0, 1, 3)]),
        (&["ug0:1:3"], &[], vec![(0, 1, 3)], vec![(0, 1, 3)]),
        (&["g0:1:3"], &["0:0:5"], whole.clone(), vec![(0, 0, 5)]),
        (&[], &["0:0:1000", "g2000:2000:1"], vec![(0, 0, 1000)], vec![(0, 0, 1000), (2000, 2000, 1)]),
        (&[], &["+u5:0:1"], vec![(0, 1, 5), (5, 0, 1), (6, 6, 65531)], whole.clone()),
        (&["0:0:5"], &["0:1:0"], vec![(0, 0, 5)], whole.clone()),
    ] {
        let map = explicit(users, groups).unwrap();
        assert_eq!((map.users, map.groups), (of_users, of_groups), "{users:?} {groups:?}");
    }
}

#[test]
fn what_is_no_map_is_refused_in_podmans_words() {
    let malformed = "setting is malformed expected [\"[+ug]uint32:[@]uint32[:uint32]\"] : ";
    for (users, groups, words) in [
        (&["0:1:1", "x"][..], &["y"][..], format!("initializing ID mappings: UID {malformed}[\"0:1:1\" \"x\"]")),
        (&["0:1"], &["y"], format!("initializing ID mappings: GID {malformed}[\"y\"]")),
        (&[":1"], &[], format!("initializing ID mappings: UID {malformed}[\":1\"]")),
        (&["0:"], &[], "invalid empty host id at UID map: [0  1]".into()),
        (&["+:1"], &[], "invalid mapping: [+ 1 1], parsing flags".into()),
        (&["-1:1:2"], &[], "invalid mapping: [-1 1 2]. Unknown flag 45".into()),
        (&["0:@x:2"], &[], "parsing id map value \"@x\": strconv.ParseUint: parsing \"x\": invalid syntax".into()),
        (&["0:1:"], &[], "parsing id map value \"\": strconv.ParseUint: parsing \"\": invalid syntax".into()),
        (&["0:+5:1"], &[], "parsing id map value \"+5\": strconv.ParseUint: parsing \"+5\": invalid syntax".into()),
        (
            &["4294967296:0"],
            &[],
            "parsing id map value \"4294967296\": strconv.ParseUint: parsing \"4294967296\": value out of range".into(),
        ),
        (&["4294967290:1:100"], &[], "the UID map 4294967290:1:100 runs past the last id".into()),
        (&["0:1:0"], &[], "must provide at least one UID or GID mapping to configure a user namespace".into()),
    ] {
        assert_eq!(explicit(users, groups).unwrap_err(), words, "{users:?} {groups:?}");
    }
    for (users, named) in [
        (&["5:100:10", "0:0:10"][..], "5:100:10"),
        (&["0:0:10", "20:5:10"], "20:5:10"),
        (&["0:0:10", "0:0:10"], "0:0:10"),
        (&["+20:5:1", "0:0:10"], "20:5:1"),
    ] {
        let words = format!("the specified UID and/or GID mapping {named} conflicts with other mappings");
        assert!(explicit_users(users).unwrap_err().contains(&words), "{users:?}");
    }
    assert!(explicit_users(&["0:1:70000"]).unwrap_err().contains("65537"));
    assert!(explicit_users(&["0:@5:1"]).unwrap_err().starts_with("parent ID UID 5 is not mapped/delegated: "));
    assert!(explicit_users(&["0:@100000:70000"]).unwrap_err().starts_with("parent ID UID 165536 is not mapped/"));
}

#[test]
fn a_root_that_is_the_user_or_knows_both_user_and_group_reaches_what_is_theirs() {
    for (text, reaches) in [
        ("keep-id", true),
        ("keep-id:uid=0", true),
        ("nomap", false),
        ("auto", false),
        ("auto:uidmapping=0:0:1", true),
        ("auto:uidmapping=5:0:1", false),
        ("auto:gidmapping=5:0:1", false),
        ("auto:uidmapping=5:0:1,gidmapping=6:0:1", true),
    ] {
        let map = mapping(&text.parse().unwrap(), &outer(), 1024, &[]).unwrap().unwrap();
        assert_eq!(map.reaches_own_folders(), reaches, "{text}");
    }
}

#[test]
fn no_two_automatic_ones_overlap() {
    let auto =
        |taken: &[Mapping], size: u32| mapping(&format!("auto:size={size}").parse().unwrap(), &outer(), 0, taken);
    let one = auto(&[], 1000).unwrap().unwrap();
    let two = auto(std::slice::from_ref(&one), 1000).unwrap().unwrap();
    let three = auto(std::slice::from_ref(&two), 500).unwrap().unwrap();
    assert_eq!((one.users[0].1, two.users[0].1, three.users[0].1), (1, 1001, 1));
    // What lies between two is used as well.
    let four = auto(&[two.clone(), three], 600).unwrap().unwrap();
    assert_eq!(four.users, [(0, 501, 500), (500, 2001, 100)]);
    assert!(auto(&[one, two], 65000).is_err());
}

#[test]
fn a_map_leads_to_the_host_through_the_rootless_one() {
    let host = mapping(&"keep-id".parse().unwrap(), &outer(), 0, &[]).unwrap().unwrap().on_host(&outer());
    let extents: Vec<_> = host.users.iter().map(|e| (e.inside, e.outside, e.count)).collect();
    assert_eq!(extents, [(0, 100_000, 1000), (1000, 1000, 1), (1001, 101_000, 64536)]);
}

#[test]
fn what_is_no_mode_is_refused_in_podmans_words() {
    for (text, message) in [
        ("keep-id:uid=+5", "strconv.ParseUint: parsing \"+5\": invalid syntax"),
        ("auto:size=4294967296", "strconv.ParseUint: parsing \"4294967296\": value out of range"),
        ("auto:", "invalid option specified: \"\""),
        ("foo", "unrecognized namespace mode foo passed"),
        ("nomap:x", "unrecognized namespace mode nomap:x passed"),
        ("keep-id:foo=3", "unknown option specified: \"foo\""),
        ("keep-id:uid=x", "strconv.ParseUint: parsing \"x\": invalid syntax"),
        ("auto:foo=1", "unknown option specified: \"foo\""),
        ("auto:uidmapping", "invalid option specified: \"uidmapping\""),
        (
            "auto:size=3,uidmapping=x,size=y",
            "initializing ID mappings: UID setting is malformed expected [\"uint32:[@]uint32[:uint32]\"] : \"x\"",
        ),
        (
            "auto:gidmapping=0:1:2:3",
            "initializing ID mappings: GID setting is malformed expected [\"uint32:[@]uint32[:uint32]\"] : \"0:1:2:3\"",
        ),
        ("auto:uidmapping=:7", "invalid empty container id at UID map: [ 7 1]"),
        ("auto:gidmapping=0:", "invalid empty host id at GID map: [0  1]"),
        ("auto:uidmapping=0:1:", "parsing id map value \"\": strconv.ParseUint: parsing \"\": invalid syntax"),
        ("auto:uidmapping=+0:1", "parsing id map value \"+0\": strconv.ParseUint: parsing \"+0\": invalid syntax"),
        ("auto:uidmapping=0:@", "parsing id map value \"@\": strconv.ParseUint: parsing \"\": invalid syntax"),
        ("private", "must provide at least one UID or GID mapping to configure a user namespace"),
    ] {
        assert_eq!(text.parse::<Userns>().unwrap_err().to_string(), message);
    }
}

#[test]
fn whatever_is_written_it_is_a_mode_or_refused() {
    let outer = outer();
    haulout_fuzz::feed_text("userns", |text| {
        if let Ok(mode) = text.parse::<Userns>() {
            let _ = mapping(&mode, &outer, 1024, &[]);
        }
        let texts: Vec<String> = text.split(',').map(str::to_owned).collect();
        if let Ok(users) = Asked::parse_all(&texts, Ids::Users) {
            let (groups, user_name, group_name) = (Vec::new(), None, None);
            let _ = mapping(&Userns::Maps { users, groups, user_name, group_name }, &outer, 1024, &[]);
        }
    });
}

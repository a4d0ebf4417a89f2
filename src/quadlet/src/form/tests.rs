// SPDX-License-Identifier: Apache-2.0 OR MIT

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

fn field(kind: Kind, key: &str) -> &'static Field {
    fields(kind).iter().find(|field| field.key == key).unwrap()
}

fn items(text: &str, key: &str) -> Vec<String> {
    let reading = read(Kind::Container, text);
    let at = fields(Kind::Container).iter().position(|field| field.key == key).unwrap();
    reading.items[at].iter().map(|item| item.text.clone()).collect()
}

fn set(text: &str, key: &str, items: &[&str]) -> String {
    field(Kind::Container, key).set(text, items)
}

#[test]
fn every_field_is_a_key_of_its_kind_or_of_systemd_and_there_once() {
    for kind in Kind::ALL {
        let mut seen = Vec::new();
        for field in fields(kind) {
            let known = kind.keys_of(field.section);
            assert!(known.is_none_or(|known| known.iter().any(|key| key.name == field.key)), "{kind:?} {field:?}");
            assert!(!seen.contains(&(field.section, field.key)), "{kind:?} {field:?}");
            seen.push((field.section, field.key));
        }
    }
}

#[test]
fn words_of_one_line_are_changed_one_by_one() {
    let text = "[Container]\nEnvironment=A=1 \"B=two words\" 'C=3'\n# why\nEnvironment=D=4\n";
    assert_eq!(items(text, "Environment"), ["A=1", "B=two words", "C=3", "D=4"]);
    assert_eq!(set(text, "Environment", &["A=1", "B=x y", "C=3", "D=4"]), text.replace("two words", "x y"));
    assert_eq!(set(text, "Environment", &["A=1", "B=two words", "D=4"]), text.replace(" 'C=3'", ""));
    assert_eq!(set(text, "Environment", &["A=1", "B=two words", "C=3"]), text.replace("Environment=D=4\n", ""));
    let more = set(text, "Environment", &["A=1", "B=two words", "C=3", "D=4", "E=a b"]);
    assert_eq!(more, format!("{text}Environment=\"E=a b\"\n"));
}

#[test]
fn an_option_among_others_is_a_field() {
    let text = "[Container]\nPodmanArgs=--blkio-weight=5 --cpus 2\n";
    assert_eq!(items(text, "PodmanArgs"), ["2"]);
    assert_eq!(set(text, "PodmanArgs", &["1.5"]), text.replace("--cpus 2", "--cpus=1.5"));
    assert_eq!(set(text, "PodmanArgs", &[]), text.replace(" --cpus 2", ""));
    assert_eq!(set("[Container]\n", "PodmanArgs", &["3"]), "[Container]\nPodmanArgs=--cpus=3\n");
    let twice = "[Container]\nPodmanArgs=--cpus=1 --x\nPodmanArgs=--x --cpus 2\n";
    assert_eq!(set(twice, "PodmanArgs", &["3"]), twice.replace("--cpus 2", "--cpus=3"));
    assert_eq!(set(twice, "PodmanArgs", &[]), "[Container]\nPodmanArgs=--x\nPodmanArgs=--x\n");
    let others = |text| read(Kind::Container, text).others.len();
    assert_eq!((others(text), others("[Container]\nPodmanArgs=--cpus=3\n")), (1, 0));
}

#[test]
fn what_has_no_field_is_told_with_its_line() {
    let text = "# c\n[Unit]\nAfter=a.service\n[Container]\nImage=x\nLabel=a=b\n[Install]\nWantedBy=default.target\nWantedBy=x.target\n";
    let others: Vec<_> = read(Kind::Container, text).others.into_iter().map(|other| (other.key, other.line)).collect();
    assert_eq!(others, [("After".into(), 3), ("Label".into(), 6), ("WantedBy".into(), 9)]);
}

#[test]
fn what_a_line_cannot_hold_is_left_out() {
    assert_eq!(set("[Container]\n", "Exec", &[" a\nImage=evil "]), "[Container]\nExec=a Image=evil\n");
    assert_eq!(set("[Container]\nUser=1\n", "User", &["  "]), "[Container]\n");
    assert_eq!(set("[Container]\nImage=a\nImage=b\n", "Image", &["c"]), "[Container]\nImage=a\nImage=c\n");
}

#[test]
fn a_switch_and_the_start_are_yes_or_nothing() {
    let text = "[Container]\nImage=a\n";
    let on = set(text, "ReadOnly", &["true"]);
    assert_eq!((on.as_str(), set(&on, "ReadOnly", &[]).as_str()), ("[Container]\nImage=a\nReadOnly=true\n", text));
    let on = set(text, "WantedBy", &["true"]);
    assert_eq!(items(&on, "WantedBy"), ["true"]);
    assert!(items(&set(&on, "WantedBy", &[]), "WantedBy").is_empty());
}

#[test]
fn flaws_that_quadlet_passes_over_are_found() {
    let flaw = |key, value| field(Kind::Container, key).flaw(value);
    assert_eq!(flaw("Memory", "512m"), None);
    assert_eq!(flaw("Memory", "much"), Some(Flaw::Size));
    assert_eq!(flaw("PodmanArgs", "1.5"), None);
    assert_eq!(flaw("PodmanArgs", "two"), Some(Flaw::Number));
    assert_eq!(flaw("PublishPort", "${PORT}:80"), None);
    assert_eq!(flaw("PublishPort", "99999:80"), Some(Flaw::Port));
}

/// The lines of a text without those that say something of `field`; comments between these stay.
fn rest(text: &str, field: &Field) -> Vec<String> {
    let unit = edit::parse(text);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let keys: &[&str] =
        if field.shape == Shape::Start { &["WantedBy", "RequiredBy", "UpheldBy"] } else { &[field.key] };
    let own: Vec<_> = keys
        .iter()
        .flat_map(|key| edit::assignments(&unit, &lines, field.section, Some(key)))
        .map(|own| own.lines)
        .collect();
    let is_own = |at: usize| own.iter().any(|own| own.contains(&at));
    let rest = lines.iter().enumerate().filter(|(at, line)| !is_own(*at) || line.trim_start().starts_with(['#', ';']));
    rest.map(|(_, line)| line.trim_end().to_owned()).collect()
}

/// A text that somebody may have written, with comments everywhere.
fn text() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[a-z0-9:/=]{1,8}",
        "[A-C]=[a-z]{1,3} \"[A-C]=[a-z ]{1,5}\"",
        "--cpus=[0-9] --x",
        "--cpus [0-9]",
        Just(String::new()),
        Just("default.target".to_owned()),
        Just("a \\\n  # between\n  b".to_owned()),
        Just("a \\\n; c\\\n# d\n b \\\nc".to_owned()),
    ];
    let keys: Vec<&str> = fields(Kind::Container).iter().map(|field| field.key).chain(["Label", "After"]).collect();
    let line = prop_oneof![
        4 => (select(keys), "=| = ", value).prop_map(|(key, equals, value)| format!("{key}{equals}{value}")),
        1 => select(vec!["[Unit]", "[Container]", "[Service]", "[Install]"]).prop_map(str::to_owned),
        1 => "# [a-z]{0,4}|; x\\\\|",
        1 => "[a-z]{1,3}",
    ];
    (prop::collection::vec(line, 0..24), any::<bool>()).prop_map(|(lines, end)| {
        let text = format!("# head\n[Container]\n{}", lines.join("\n"));
        if end { text + "\n" } else { text }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn edits_lose_no_comment_and_change_no_other_line(
        text in text(),
        edits in prop::collection::vec((any::<Index>(), prop::collection::vec("[a-z0-9=:/ \"\\\\]{0,8}", 0..4)), 1..6),
    ) {
        let mut text = text;
        for (index, new) in edits {
            let all = fields(Kind::Container);
            let at = index.index(all.len());
            let field = &all[at];
            let new: Vec<&str> = match field.shape {
                Shape::Start | Shape::Switch(_) => new.first().map(|_| "true").into_iter().collect(),
                Shape::Lines(_) | Shape::Words(_) => new.iter().map(String::as_str).collect(),
                _ => new.iter().take(1).map(String::as_str).collect(),
            };
            let before = read(Kind::Container, &text);
            let changed = field.set(&text, &new);
            let after = read(Kind::Container, &changed);

            let (kept, now) = (rest(&text, field), rest(&changed, field));
            prop_assert!(now.starts_with(&kept), "{field:?} {new:?}\n{text}\n---\n{changed}");
            prop_assert!(now[kept.len()..].iter().all(|line| line.is_empty() || line.starts_with('[')), "{changed}");
            for (other, (before, after)) in before.items.iter().zip(&after.items).enumerate() {
                let texts = |items: &[Item]| items.iter().map(|item| item.text.clone()).collect::<Vec<_>>();
                if other != at {
                    prop_assert_eq!(texts(before), texts(after), "{:?}\n{}\n---\n{}", field, text, changed);
                }
            }
            let wanted: Vec<String> = new.iter().map(|item| tidy(item)).filter(|item| !item.is_empty()).collect();
            let found: Vec<String> = after.items[at].iter().map(|item| item.text.clone()).collect();
            prop_assert_eq!(found, wanted, "{:?}\n{}\n---\n{}", field, text, changed);
            // Doing it again changes nothing.
            prop_assert_eq!(&field.set(&changed, &new), &changed);
            text = changed;
        }
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `--help` prints: podman's layout, made from the doc comments of the flags.

use std::any::TypeId;
use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use crate::commands::{GROUPS, Group, VERBS, Verb};
use crate::examples;

/// The help of one verb.
pub fn of_verb(command: &Command, path: &str, verb: &Verb) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let description = long.strip_prefix(&about).unwrap_or(&long).trim().replace('\n', "\n  ");
    let description = if description.is_empty() { &about } else { &description };
    let mut text = format!("{about}\n\nDescription:\n  {description}\n\nUsage:\n  {path} {}\n", verb.usage);
    if let Some(group) = GROUPS.iter().find(|group| path.split_once(' ').is_some_and(|(_, name)| name == group.name)) {
        text.push_str("\nAvailable Commands:\n");
        list(&mut text, &verbs_of(group));
    }
    let (program, name) = path.split_once(' ').unwrap_or((path, ""));
    let examples = examples::lines(program, name);
    if !examples.is_empty() {
        let _ = write!(text, "\nExamples:\n  {}\n", examples.join("\n  "));
    }
    let options = options(command);
    if !options.is_empty() {
        let _ = write!(text, "\nOptions:\n{options}");
    }
    text
}

/// The help of the program.
pub fn of_program(root: &Command, program: &str) -> String {
    let verbs = VERBS.iter().filter(|verb| !verb.hidden).map(|verb| (verb.names[0], about(verb)));
    let groups = GROUPS.iter().map(|group| (group.name, group.about.to_owned()));
    let mut all: Vec<_> = verbs.chain(groups).collect();
    all.sort();
    all.dedup_by(|one, other| one.0 == other.0);
    let mut text =
        format!("Manage containers and images\n\nUsage:\n  {program} [options] [command]\n\nAvailable Commands:\n");
    list(&mut text, &all);
    let _ = write!(text, "\nOptions:\n{}", options(root));
    text
}

/// The help of a group of verbs.
pub fn of_group(group: &Group, program: &str) -> String {
    let mut text = format!(
        "{0}\n\nDescription:\n  {0}\n\nUsage:\n  {program} {1} [command]\n\nAvailable Commands:\n",
        group.about, group.name
    );
    list(&mut text, &verbs_of(group));
    text.push('\n');
    text
}

fn verbs_of(group: &Group) -> Vec<(&'static str, String)> {
    let verbs = group.verbs.iter().filter(|verb| !verb.hidden);
    let mut all: Vec<_> = verbs.map(|verb| (verb.names[0], about(verb))).collect();
    all.sort();
    all
}

/// The names of verbs and groups that are near to `typed`.
pub fn near(typed: &str) -> Vec<&'static str> {
    let names = VERBS.iter().filter(|verb| !verb.hidden).flat_map(|verb| verb.names).copied();
    let names = names.chain(GROUPS.iter().map(|group| group.name));
    names.filter(|name| distance(typed, name) <= 2 || name.starts_with(typed)).collect()
}

/// How many letters have to be added, removed or changed (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for column in 0..to.len() {
            let changed = diagonal + usize::from(letter != to[column]);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

fn about(verb: &Verb) -> String {
    (verb.flags)(Command::new("")).get_about().map(ToString::to_string).unwrap_or_default()
}

fn list(text: &mut String, entries: &[(&str, String)]) {
    let width = entries.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max(11);
    for (name, about) in entries {
        let _ = writeln!(text, "  {name:width$} {about}");
    }
}

fn options(command: &Command) -> String {
    let mut flags: Vec<(String, &Arg)> = command
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_hide_set())
        .map(|arg| (flag(arg), arg))
        .collect();
    flags.sort_by(|a, b| a.1.get_long().cmp(&b.1.get_long()));
    let width = flags.iter().map(|(flag, _)| flag.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (flag, arg) in flags {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default = match arg.get_default_values() {
            [value] if *value != "false" => {
                let value = value.to_string_lossy();
                if kind(arg) == "string" { format!(" (default {value:?})") } else { format!(" (default {value})") }
            }
            _ => String::new(),
        };
        let _ = writeln!(text, "{}", format!("{flag:width$}   {help}{default}").trim_end());
    }
    text
}

fn flag(arg: &Arg) -> String {
    let short = arg.get_short().map_or_else(|| "      ".to_owned(), |short| format!("  -{short}, "));
    let kind = kind(arg);
    let space = if kind.is_empty() { "" } else { " " };
    format!("{short}--{}{space}{kind}", arg.get_long().unwrap_or_default())
}

/// What podman calls the values of flags of these names.
const OF_PLATFORM: [&str; 3] = ["ARCH", "OS", "VARIANT"];

/// A flag's type as pflag names it; nothing for a boolean.
fn kind(arg: &Arg) -> String {
    let parser = arg.get_value_parser().type_id();
    let named = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let derived = arg.get_long().map(|long| long.replace('-', "_").to_uppercase());
    if parser == TypeId::of::<bool>() {
        String::new()
    } else if let Some(name) = named.filter(|name| {
        *name != arg.get_id().as_str() && (Some(name) != derived.as_ref() || OF_PLATFORM.contains(&name.as_str()))
    }) {
        name
    } else if parser == TypeId::of::<i64>() {
        "int".to_owned()
    } else if [TypeId::of::<u64>(), TypeId::of::<u32>(), TypeId::of::<usize>()].iter().any(|uint| parser == *uint) {
        "uint".to_owned()
    } else if parser == TypeId::of::<f64>() {
        "float".to_owned()
    } else if arg.get_value_delimiter().is_some() {
        "strings".to_owned()
    } else if matches!(arg.get_action(), ArgAction::Append) {
        "stringArray".to_owned()
    } else {
        "string".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_near_to_another_by_two_letters_or_as_its_beginning() {
        assert_eq!(distance("foo", "top"), 2);
        assert_eq!(distance("", "ps"), 2);
        assert!(near("sto").contains(&"stop"));
        assert!(near("zzzzzz").is_empty());
    }

    #[test]
    fn every_verb_says_what_it_does_and_every_flag_too() {
        for verb in VERBS.iter().chain(GROUPS.iter().flat_map(|group| group.verbs)) {
            let command = crate::commands::command(verb);
            assert!(verb.hidden || command.get_about().is_some(), "{:?}", verb.names);
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                assert!(verb.hidden || arg.get_help().is_some(), "{:?} {:?}", verb.names, arg.get_id());
            }
            command.debug_assert();
        }
    }
}

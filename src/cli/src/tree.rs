// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The whole command line as one clap command, as completion and the manual need it: the program parses one verb at a time.

use clap::{Arg, ArgAction, Command};

use crate::commands::{self, GROUPS, Group, VERBS, Verb};
use crate::{examples, invocation};

/// The program with all of its verbs.
pub fn of_program(program: &'static str) -> Command {
    let root = flags_of(&invocation::root(program), Command::new(program))
        .about("Rootless containers without a daemon")
        .version(env!("CARGO_PKG_VERSION"));
    let is_verb = |name: &str| VERBS.iter().any(|verb| verb.names[0] == name);
    let groups = GROUPS.iter().filter(|group| !is_verb(group.name)).map(|group| {
        Command::new(group.name)
            .about(group.about)
            .disable_help_flag(true)
            .disable_help_subcommand(true)
            .subcommands(shown(program, Some(group), group.verbs))
    });
    let verbs =
        shown(program, None, VERBS).map(|verb| match GROUPS.iter().find(|group| group.name == verb.get_name()) {
            Some(group) => verb.subcommands(shown(program, Some(group), group.verbs)),
            None => verb,
        });
    root.subcommands(verbs).subcommands(groups)
}

fn shown(
    program: &'static str,
    group: Option<&'static Group>,
    verbs: &'static [Verb],
) -> impl Iterator<Item = Command> {
    verbs.iter().filter(|verb| !verb.hidden).map(move |verb| of_verb(program, group, verb))
}

fn of_verb(program: &str, group: Option<&Group>, verb: &Verb) -> Command {
    let path = group.map_or(verb.names[0].to_owned(), |group| format!("{} {}", group.name, verb.names[0]));
    let examples = examples::lines(program, &path);
    let parsed = commands::command(verb);
    let mut command = flags_of(&parsed, Command::new(verb.names[0])).visible_aliases(verb.names[1..].iter().copied());
    if let Some(about) = parsed.get_about() {
        command = command.about(about.clone());
    }
    if let Some(about) = parsed.get_long_about() {
        command = command.long_about(about.clone());
    }
    if !examples.is_empty() {
        command = command.after_long_help(format!("Examples:\n\n{}", examples.join("\n\n")));
    }
    command.args(words_of(verb.usage))
}

/// The command with the flags of `from`, and none of its words: what those are stands in the usage line.
fn flags_of(from: &Command, command: Command) -> Command {
    command
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .args(from.get_arguments().filter(|arg| !arg.is_positional()).cloned().map(plain))
}

/// A flag that is off unless it is given, without the `=true` that it may be given.
fn plain(arg: Arg) -> Arg {
    if arg.is_require_equals_set() && arg.get_default_values().iter().all(|value| value == "false") {
        return arg
            .action(ArgAction::SetTrue)
            .num_args(0)
            .require_equals(false)
            .default_value(None)
            .default_missing_value(None);
    }
    arg
}

/// What words are called for clap, which wants each to be called differently: there may be two containers. No verb has more.
const IDS: [&str; 4] = ["first", "second", "third", "fourth"];

/// The words that a usage line names: `[options] CONTAINER [COMMAND [ARG...]]`.
fn words_of(usage: &'static str) -> Vec<Arg> {
    let mut words: Vec<Arg> = Vec::new();
    let mut last = "";
    for word in usage.split_ascii_whitespace().filter(|word| !word.starts_with("[options")) {
        let name = word.trim_matches(['[', ']', '{', '}']);
        let (name, repeated) = name.strip_suffix("...").map_or((name, false), |name| (name, true));
        // `CONTAINER [CONTAINER...]` is one that is repeated.
        let arg = if name == last { words.pop() } else { None };
        let Some(id) = IDS.get(words.len()) else { break };
        let arg = arg.unwrap_or_else(|| Arg::new(*id).value_name(name));
        // What comes after a command is the command's.
        words.push(if repeated { arg.num_args(1..).trailing_var_arg(name == "ARG") } else { arg });
        last = name;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(usage: &'static str) -> Vec<(String, bool, bool)> {
        let described = |arg: &Arg| {
            let name = arg.get_value_names().unwrap()[0].to_string();
            let repeated = arg.get_num_args().is_some_and(|range| range.max_values() > 1);
            (name, repeated, arg.is_trailing_var_arg_set())
        };
        words_of(usage).iter().map(described).collect()
    }

    #[test]
    fn words_are_what_the_usage_line_says() {
        assert_eq!(described("[options]"), []);
        assert_eq!(described("[options] CONTAINER [CONTAINER...]"), [("CONTAINER".to_owned(), true, false)]);
        let expected = [("IMAGE", false, false), ("COMMAND", false, false), ("ARG", true, true)];
        let expected = expected.map(|(name, repeated, trailing)| (name.to_owned(), repeated, trailing));
        assert_eq!(described("[options] IMAGE [COMMAND [ARG...]]"), expected);
    }

    #[test]
    fn the_tree_is_a_command_that_clap_takes() {
        of_program("haulout").debug_assert();
    }
}

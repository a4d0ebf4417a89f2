// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags as podman takes them: `--flag`, `--flag=false`, `-it`, `--last -1`, the last of two wins; and what is
//! wrong with them in its words, which are those of Go's pflag and strconv.

use std::any::TypeId;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, Error};

/// What is said of a word too many, after the command.
pub const NO_WORDS: &str = "takes no arguments";

/// What is said when a word is missing.
pub const NEEDS_WORDS: &str = "requires at least 1 arg(s), only received 0";

/// A command whose flags behave as podman's do. The types of the fields decide: a `bool` takes no value but may be
/// given one by `=`, a number is read as Go reads it, any value may begin with a dash.
pub fn as_podman_takes_them(command: Command) -> Command {
    command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
        .mut_args(|arg| if arg.is_positional() { arg } else { flag(arg) })
}

fn flag(arg: Arg) -> Arg {
    let kind = arg.get_value_parser().type_id();
    if kind == TypeId::of::<bool>() {
        let default = matches!(arg.get_action(), ArgAction::SetTrue).then_some("false");
        let arg = if arg.get_default_values().is_empty() { arg.default_value(default) } else { arg };
        return arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(Boolean);
    }
    let arg = arg.allow_hyphen_values(true);
    if kind == TypeId::of::<i64>() {
        arg.value_parser(Int)
    } else if kind == TypeId::of::<u64>() {
        arg.value_parser(Uint)
    } else if kind == TypeId::of::<u32>() {
        arg.value_parser(Uint32)
    } else if kind == TypeId::of::<usize>() {
        arg.value_parser(Usize)
    } else if kind == TypeId::of::<PathBuf>() {
        // As with any other text nothing may be said.
        arg.value_parser(OsStringValueParser::new().map(PathBuf::from))
    } else if kind == TypeId::of::<f64>() {
        arg.value_parser(Float)
    } else {
        arg
    }
}

/// What one reads of `clap`'s error, in podman's words; `path` is the command as typed (`podman ps`).
pub fn words(error: &Error, path: &str, arguments: &[String]) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let hint = format!("See '{path} --help'");
    let given = text(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument if !given.starts_with('-') => format!("`{path}` {NO_WORDS}"),
        ErrorKind::UnknownArgument if given.starts_with("--") => {
            format!("unknown flag: {}\n{hint}", given.split('=').next().unwrap_or(given))
        }
        ErrorKind::UnknownArgument => {
            let letter = given.chars().nth(1).unwrap_or('-');
            format!("unknown shorthand flag: '{letter}' in {}\n{hint}", bundle(letter, arguments))
        }
        ErrorKind::InvalidValue if text(ContextKind::InvalidValue).is_empty() => {
            let name = given.split([' ', '=']).next().unwrap_or(given);
            match arguments.last() {
                Some(last) if last.starts_with('-') && !last.starts_with("--") => {
                    format!("flag needs an argument: '{}' in {last}\n{hint}", last.chars().last().unwrap_or('-'))
                }
                _ => format!("flag needs an argument: {name}\n{hint}"),
            }
        }
        ErrorKind::ValueValidation if !given.is_empty() => {
            let name = given.split([' ', '=']).next().unwrap_or(given);
            let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            format!("invalid argument {:?} for {name:?} flag: {reason}\n{hint}", text(ContextKind::InvalidValue))
        }
        ErrorKind::MissingRequiredArgument => NEEDS_WORDS.to_owned(),
        ErrorKind::ValueValidation => format!("{}\n{hint}", error.to_string().trim_start_matches("error: ").trim_end()),
        _ => error.to_string().trim_start_matches("error: ").trim_end().to_owned(),
    }
}

/// The rest of the word in which `letter` is, from that letter on, as pflag shows it.
fn bundle(letter: char, arguments: &[String]) -> String {
    arguments
        .iter()
        .filter(|word| word.starts_with('-') && !word.starts_with("--"))
        .find_map(|word| word.find(letter).map(|at| format!("-{}", &word[at..])))
        .unwrap_or_else(|| format!("-{letter}"))
}

/// What is wrong with a value, in pflag's words.
pub fn invalid(arg: Option<&Arg>, value: &str, reason: &str) -> Error {
    let name = arg.map(|arg| match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (None, Some(long)) => format!("--{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, None) => arg.get_id().to_string(),
    });
    let name = name.unwrap_or_default();
    Error::raw(ErrorKind::ValueValidation, format!("invalid argument {value:?} for {name:?} flag: {reason}"))
}

/// A value read from its text, as Go's `strconv` reads it.
trait Strconv: Clone + Send + Sync + 'static {
    type Value: Clone + Send + Sync + 'static;
    const FUNCTION: &'static str;
    fn convert(text: &str) -> Result<Self::Value, &'static str>;
}

macro_rules! strconv_parser {
    ($name:ident) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl TypedValueParser for $name {
            type Value = <$name as Strconv>::Value;

            fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Self::Value, Error> {
                let text = StringValueParser::new().parse_ref(command, arg, value)?;
                Self::convert(&text).map_err(|reason| {
                    invalid(arg, &text, &format!("strconv.{}: parsing {text:?}: {reason}", Self::FUNCTION))
                })
            }
        }
    };
}

strconv_parser!(Boolean);
strconv_parser!(Int);
strconv_parser!(Uint);
strconv_parser!(Uint32);
strconv_parser!(Usize);
strconv_parser!(Float);

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";

impl Strconv for Boolean {
    type Value = bool;
    const FUNCTION: &'static str = "ParseBool";

    fn convert(text: &str) -> Result<bool, &'static str> {
        match text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            _ => Err(SYNTAX),
        }
    }
}

/// What is wrong with a number that Rust does not take.
fn number_error(error: &std::num::ParseIntError) -> &'static str {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match error.kind() {
        PosOverflow | NegOverflow => RANGE,
        _ => SYNTAX,
    }
}

/// The base and the digits of a number as Go's base 0 has it: `0x`, `0o`, `0b`, a leading zero for octal.
fn base(text: &str) -> (u32, String) {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (&text[..1], digits),
        None => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    (radix, format!("{sign}{digits}"))
}

impl Strconv for Int {
    type Value = i64;
    const FUNCTION: &'static str = "ParseInt";

    fn convert(text: &str) -> Result<i64, &'static str> {
        let (radix, digits) = base(text);
        i64::from_str_radix(&digits, radix).map_err(|error| number_error(&error))
    }
}

impl Strconv for Uint {
    type Value = u64;
    const FUNCTION: &'static str = "ParseUint";

    fn convert(text: &str) -> Result<u64, &'static str> {
        if text.starts_with('+') {
            return Err(SYNTAX);
        }
        let (radix, digits) = base(text);
        u64::from_str_radix(&digits, radix).map_err(|error| number_error(&error))
    }
}

impl Strconv for Uint32 {
    type Value = u32;
    const FUNCTION: &'static str = Uint::FUNCTION;

    fn convert(text: &str) -> Result<u32, &'static str> {
        u32::try_from(Uint::convert(text)?).map_err(|_| RANGE)
    }
}

impl Strconv for Usize {
    type Value = usize;
    const FUNCTION: &'static str = Uint::FUNCTION;

    fn convert(text: &str) -> Result<usize, &'static str> {
        usize::try_from(Uint::convert(text)?).map_err(|_| RANGE)
    }
}

impl Strconv for Float {
    type Value = f64;
    const FUNCTION: &'static str = "ParseFloat";

    fn convert(text: &str) -> Result<f64, &'static str> {
        text.parse().map_err(|_| SYNTAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    #[derive(Args, Debug)]
    struct Sample {
        #[arg(short, long)]
        all: bool,
        #[arg(short, long)]
        tty: bool,
        #[arg(long, default_value_t = true)]
        proxy: bool,
        #[arg(long)]
        verify: Option<bool>,
        #[arg(short = 'n', long, default_value_t = -1)]
        last: i64,
        #[arg(long)]
        limit: Option<u64>,
        #[arg(long)]
        cpus: Option<f64>,
        #[arg(short, long)]
        env: Vec<String>,
        #[arg(long, value_delimiter = ',')]
        cap: Vec<String>,
        #[arg(long)]
        name: Option<String>,
        #[arg(long, value_parser = |text: &str| if text == "a" { Ok(text.to_owned()) } else { Err("only a") })]
        sort: Option<String>,
        #[arg(trailing_var_arg = true)]
        words: Vec<String>,
    }

    fn parse(line: &[&str]) -> Result<Sample, String> {
        let command = as_podman_takes_them(Sample::augment_args(Command::new("x")));
        let words_given: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
        command
            .try_get_matches_from(std::iter::once("x").chain(line.iter().copied()))
            .and_then(|matches| Sample::from_arg_matches(&matches))
            .map_err(|error| words(&error, "podman x", &words_given))
    }

    #[test]
    fn booleans_bundle_and_take_a_value_only_by_an_equals_sign() {
        let sample = parse(&["-at", "--proxy=false", "--verify", "img", "--all=false"]).unwrap();
        assert!(sample.all && sample.tty && !sample.proxy);
        assert_eq!(sample.verify, Some(true));
        assert_eq!(sample.words, ["img", "--all=false"]);
        assert!(!parse(&["-at=false"]).unwrap().tty);
        assert!(!parse(&["--all", "--all=0"]).unwrap().all, "the last one wins");
        assert_eq!(parse(&["--all", "true"]).unwrap().words, ["true"]);
        assert_eq!(parse(&[]).unwrap().verify, None);
    }

    #[test]
    fn nothing_after_the_first_word_is_a_flag_and_a_double_dash_before_it_goes() {
        assert_eq!(parse(&["img", "ls", "-la", "--", "--nope"]).unwrap().words, ["img", "ls", "-la", "--", "--nope"]);
        assert_eq!(parse(&["img", "--", "x"]).unwrap().words, ["img", "--", "x"]);
        assert_eq!(parse(&["--all", "--", "img", "-x"]).unwrap().words, ["img", "-x"]);
    }

    #[test]
    fn values_may_begin_with_a_dash_and_repeat() {
        let sample = parse(&["-n", "-1", "-e", "-x", "-eA=b", "-e=C=d", "--env", "--e", "--name", "", "--cap", "a,b"]);
        let sample = sample.unwrap();
        assert_eq!(sample.last, -1);
        assert_eq!(sample.env, ["-x", "A=b", "C=d", "--e"]);
        assert_eq!(sample.name.as_deref(), Some(""));
        assert_eq!(sample.cap, ["a", "b"]);
        assert_eq!(parse(&["--name", "a", "--name=b"]).unwrap().name.as_deref(), Some("b"));
        assert_eq!(parse(&["--limit", "0x10"]).unwrap().limit, Some(16));
        assert!((parse(&["--cpus", ".5"]).unwrap().cpus.unwrap() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn what_is_wrong_is_said_in_podmans_words() {
        for (line, message) in [
            (&["--foo"][..], "unknown flag: --foo\nSee 'podman x --help'"),
            (&["--foo=1"], "unknown flag: --foo\nSee 'podman x --help'"),
            (&["--sort=b"], "invalid argument \"b\" for \"--sort\" flag: only a\nSee 'podman x --help'"),
            (&["-Z"], "unknown shorthand flag: 'Z' in -Z\nSee 'podman x --help'"),
            (&["-aZt"], "unknown shorthand flag: 'Z' in -Zt\nSee 'podman x --help'"),
            (&["--last"], "flag needs an argument: --last\nSee 'podman x --help'"),
            (&["-n"], "flag needs an argument: 'n' in -n\nSee 'podman x --help'"),
            (&["-an"], "flag needs an argument: 'n' in -an\nSee 'podman x --help'"),
            (
                &["--all=maybe"],
                "invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax\nSee 'podman x --help'",
            ),
            (
                &["--last=x"],
                "invalid argument \"x\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"x\": invalid syntax\nSee 'podman x --help'",
            ),
            (
                &["--limit=-1"],
                "invalid argument \"-1\" for \"--limit\" flag: strconv.ParseUint: parsing \"-1\": invalid syntax\nSee 'podman x --help'",
            ),
            (
                &["--cpus=x"],
                "invalid argument \"x\" for \"--cpus\" flag: strconv.ParseFloat: parsing \"x\": invalid syntax\nSee 'podman x --help'",
            ),
        ] {
            assert_eq!(parse(line).unwrap_err(), message);
        }
    }
}

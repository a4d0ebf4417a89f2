// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Feeds parsers with what nobody expects: the inputs of a corpus, and then what random changes make of them.
//!
//! A parser's unit test calls [`feed`]. Whatever comes in, the parser answers or refuses; it does not panic, take for ever or
//! take all memory. Which changes are made follows from a seed alone, so that a failure can be repeated; how far a parser was
//! reached is not measured, which needs a compiler with instrumentation, so the corpora have something of everything.
//!
//! `HAULOUT_FUZZ_SECONDS` says how long each parser is fed (a fifth of a second), `HAULOUT_FUZZ_SEED` which changes are made.

mod mutation;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use rustix::process::{Resource, Rlimit, setrlimit};

use mutation::{Mutator, Random};

/// How long a parser is fed when nobody says.
const USUALLY: Duration = Duration::from_millis(200);

/// No input may take a parser longer, on however busy a machine.
const LONGEST: Duration = Duration::from_secs(10);

/// No input may make a parser have more memory than that, in bytes.
const MEMORY: u64 = 4 << 30;

/// Feeds `parse` with the files of `tests/fuzz/corpus/TARGET`, and then with changed ones until the time is up.
///
/// # Panics
/// When `parse` does, naming the input, which is kept in a file of the temporary folder; when it takes too long; when there is no
/// corpus.
pub fn feed(target: &str, parse: impl Fn(&[u8])) {
    let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    let _ = setrlimit(Resource::As, limit);
    let corpus = corpus(target);
    let seed = number("HAULOUT_FUZZ_SEED").unwrap_or_else(any_seed);
    let time = number("HAULOUT_FUZZ_SECONDS").map_or(USUALLY, Duration::from_secs);
    for (name, input) in &corpus {
        try_one(target, &format!("{}", name.display()), input, &parse);
    }
    let mut mutator = Mutator::new(Random::new(seed), corpus.into_iter().map(|(_, input)| input).collect());
    let begun = Instant::now();
    let mut count = 0_u64;
    while begun.elapsed() < time {
        let input = mutator.next();
        count += 1;
        try_one(target, &format!("input {count} of HAULOUT_FUZZ_SEED={seed}"), &input, &parse);
    }
    println!("{target}: {count} inputs of seed {seed}");
}

/// The same for a parser of text, which gets nothing else.
///
/// # Panics
/// As [`feed`].
pub fn feed_text(target: &str, parse: impl Fn(&str)) {
    feed(target, |bytes| parse(&String::from_utf8_lossy(bytes)));
}

fn any_seed() -> u64 {
    let mut bytes = [0; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// The corpus of a target: each file is one input, and its name says what that is.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.map(|entry| entry.path()).and_then(|path| fs::read(&path).map(|input| (path, input))))
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()));
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs.sort();
    inputs
}

fn try_one(target: &str, name: &str, input: &[u8], parse: impl Fn(&[u8])) {
    let begun = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| parse(input)));
    let what = if outcome.is_err() {
        "panics"
    } else if begun.elapsed() > LONGEST {
        "takes too long"
    } else {
        return;
    };
    let kept = env::temp_dir().join(format!("haulout-fuzz-{target}"));
    let _ = fs::write(&kept, input);
    let shown = &input[..input.len().min(300)];
    panic!("{target} {what} on {name}, kept in {}: {}", kept.display(), shown.escape_ascii());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_that_panics_is_found() {
        let found = catch_unwind(|| feed_text("reference", |text| assert!(!text.contains(".."), "dots")));
        let words = *found.unwrap_err().downcast::<String>().unwrap();
        assert!(words.starts_with("reference panics on "), "{words}");
    }

    #[test]
    fn the_same_seed_makes_the_same_changes() {
        let mutator = |seed| Mutator::new(Random::new(seed), vec![b"abc".to_vec(), b"1234".to_vec()]);
        let some = |seed| std::iter::repeat_with(|| ()).take(50).scan(mutator(seed), |m, ()| Some(m.next())).collect();
        let (one, same, other): (Vec<_>, Vec<_>, Vec<_>) = (some(1), some(1), some(2));
        assert!(one == same && one != other);
    }
}

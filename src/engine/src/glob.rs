// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Patterns of the shell, as glob(7) has them: `*` and `?` stand for no slash.

/// Whether `text` is what `pattern` stands for: `*` and `?` stand for anything but a slash, `[a-z]` for one of a set.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let mut letters = text.chars();
    match first {
        '*' => {
            let reach = text.find('/').unwrap_or(text.len());
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .take_while(|&at| at <= reach)
                .any(|at| matches(rest, &text[at..]))
        }
        '?' => letters.next().is_some_and(|letter| letter != '/') && matches(rest, letters.as_str()),
        '[' => match (rest.find(']'), letters.next()) {
            (Some(end), Some(letter)) => in_set(&rest[..end], letter) && matches(&rest[end + 1..], letters.as_str()),
            _ => false,
        },
        '\\' => match rest.chars().next() {
            Some(escaped) => letters.next() == Some(escaped) && matches(&rest[escaped.len_utf8()..], letters.as_str()),
            None => false,
        },
        _ => letters.next() == Some(first) && matches(rest, letters.as_str()),
    }
}

fn in_set(set: &str, letter: char) -> bool {
    let (set, negated) = set.strip_prefix('^').map_or((set, false), |set| (set, true));
    let letters: Vec<char> = set.chars().collect();
    let mut found = false;
    let mut at = 0;
    while at < letters.len() {
        if at + 2 < letters.len() && letters[at + 1] == '-' {
            found |= (letters[at]..=letters[at + 2]).contains(&letter);
            at += 3;
        } else {
            found |= letters[at] == letter;
            at += 1;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_anything_but_a_slash() {
        for (pattern, text, expected) in [
            ("busybox", "busybox", true),
            ("busy*", "busybox:latest", true),
            ("loc*", "localhost:5000/busybox", false),
            ("localhost:5000/busy*", "localhost:5000/busybox", true),
            ("*/b?x", "a/box", true),
            ("[a-c]*", "box", true),
            ("[^a-c]*", "box", false),
            ("*", "", true),
            ("?", "", false),
            ("[", "[", false),
            ("\\*", "*", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}

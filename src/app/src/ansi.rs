// SPDX-License-Identifier: GPL-3.0-or-later
//! Colours in logs: the "select graphic rendition" sequences of ECMA-48. Every other escape sequence is dropped, so that
//! no log can do anything but be read.

/// The sixteen colours on a light background, then on a dark one.
pub const PALETTE: [[&str; 16]; 2] = [
    [
        "#241f31", "#c01c28", "#1b7f4d", "#9c6e03", "#1a5fb4", "#813d9c", "#0b7285", "#77767b", "#5e5c64", "#e01b24",
        "#2b8a57", "#b5820a", "#1c71d8", "#9141ac", "#1185a0", "#3d3846",
    ],
    [
        "#9a9996", "#ed333b", "#57e389", "#f5c211", "#62a0ea", "#c061cb", "#4fd2fd", "#deddda", "#77767b", "#f66151",
        "#8ff0a4", "#f9f06b", "#99c1f1", "#dc8add", "#93ddf6", "#ffffff",
    ],
];

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Which of the sixteen.
    pub colour: Option<u8>,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
}

/// Splits `text` into pieces of one style each. `style` is that of its beginning, afterwards that of its end.
pub fn pieces<'text>(text: &'text str, style: &mut Style) -> Vec<(Style, &'text str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '\r', '\u{8}', '\u{7}']) {
        push(&mut found, *style, &rest[..at]);
        rest = match rest.as_bytes().get(at) {
            Some(0x1b) => after_escape(&rest[at + 1..], style),
            _ => &rest[at + 1..],
        };
    }
    push(&mut found, *style, rest);
    found
}

fn push<'text>(found: &mut Vec<(Style, &'text str)>, style: Style, text: &'text str) {
    if !text.is_empty() {
        found.push((style, text));
    }
}

/// What follows an escape sequence (given without its ESC).
fn after_escape<'text>(text: &'text str, style: &mut Style) -> &'text str {
    match text.bytes().next() {
        Some(b'[') => {
            let body = &text[1..];
            match body.find(|letter: char| ('@'..='~').contains(&letter)) {
                Some(end) => {
                    if body.as_bytes().get(end) == Some(&b'm') {
                        render(&body[..end], style);
                    }
                    &body[end + 1..]
                }
                None => "",
            }
        }
        // An operating system command goes to BEL or to ESC \.
        Some(b']') => match text.find(['\u{7}', '\u{1b}']) {
            Some(end) if text.as_bytes()[end] == 7 => &text[end + 1..],
            Some(end) => text[end + 1..].strip_prefix('\\').unwrap_or(&text[end + 1..]),
            None => "",
        },
        Some(_) => {
            let mut letters = text.chars();
            letters.next();
            letters.as_str()
        }
        None => "",
    }
}

fn render(parameters: &str, style: &mut Style) {
    let mut numbers = parameters.split([';', ':']).map(|number| number.parse::<u16>().unwrap_or(0));
    while let Some(number) = numbers.next() {
        match number {
            0 => *style = Style::default(),
            1 => style.bold = true,
            2 => style.dim = true,
            3 => style.italic = true,
            4 => style.underline = true,
            22 => (style.bold, style.dim) = (false, false),
            23 => style.italic = false,
            24 => style.underline = false,
            30..=37 => style.colour = u8::try_from(number - 30).ok(),
            90..=97 => style.colour = u8::try_from(number - 90 + 8).ok(),
            39 => style.colour = None,
            38 | 48 => {
                let colour = extended(&mut numbers);
                if number == 38 {
                    style.colour = colour;
                }
            }
            _ => {}
        }
    }
}

/// `5;n` or `2;r;g;b`, as the nearest of the sixteen that can be told without a table; nothing else has to be exact.
fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match numbers.next()? {
        5 => numbers.next().and_then(|number| u8::try_from(number).ok()).and_then(|number| match number {
            ..16 => Some(number),
            16..232 => {
                let cube = number - 16;
                Some(nearest(cube / 36 * 51, cube / 6 % 6 * 51, cube % 6 * 51))
            }
            _ => None,
        }),
        2 => {
            let mut next = || numbers.next().and_then(|number| u8::try_from(number).ok());
            Some(nearest(next()?, next()?, next()?))
        }
        _ => None,
    }
}

fn nearest(red: u8, green: u8, blue: u8) -> u8 {
    let on = |part: u8| u8::from(part > 110);
    let bright = if red.max(green).max(blue) > 190 { 8 } else { 0 };
    on(red) + 2 * on(green) + 4 * on(blue) + bright
}

#[cfg(test)]
mod tests {
    use super::{Style, pieces};

    #[test]
    fn a_colour_lasts_until_it_is_reset() {
        let mut style = Style::default();
        let found = pieces("a\u{1b}[1;31mb", &mut style);
        assert_eq!(found, [(Style::default(), "a"), (Style { colour: Some(1), bold: true, ..Style::default() }, "b")]);
        assert_eq!(pieces("c", &mut style)[0].0.colour, Some(1));
        pieces("\u{1b}[m", &mut style);
        assert_eq!(style, Style::default());
    }

    #[test]
    fn what_is_no_colour_is_dropped() {
        let plain = |text: &str| pieces(text, &mut Style::default()).iter().map(|(_, text)| *text).collect::<String>();
        assert_eq!(plain("a\u{1b}[2Kb\u{1b}]0;title\u{7}c\u{1b}]8;;x\u{1b}\\d\r"), "abcd");
        assert_eq!(plain("a\u{1b}[31"), "a");
        assert_eq!(plain("\u{1b}"), "");
        assert_eq!(plain("\u{1b}é!"), "!");
    }

    #[test]
    fn a_colour_of_the_cube_takes_its_parameters_with_it() {
        let mut style = Style::default();
        pieces("\u{1b}[38;5;196;1m", &mut style);
        assert_eq!((style.colour, style.bold), (Some(9), true));
        pieces("\u{1b}[38;2;0;128;0m", &mut style);
        assert_eq!(style.colour, Some(2));
        pieces("\u{1b}[48;5;1m", &mut style);
        assert_eq!(style.colour, Some(2));
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random changes of inputs.

/// No input grows longer, in bytes.
const LONGEST: usize = 64 << 10;

/// What breaks parsers, wherever it comes.
const WORDS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\\",
    b"\"",
    b"'",
    b",",
    b":",
    b";",
    b"=",
    b"/",
    b"//",
    b"..",
    b"../",
    b"@",
    b"#",
    b"%",
    b"{",
    b"}",
    b"[",
    b"]",
    b"-",
    b"--",
    b"+",
    b"*",
    b"~",
    b"$",
    b"0",
    b"-1",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"99999999999999999999999999",
    b"1e999",
    b"0.1",
    b"NaN",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\xff",
    b"\xc3\x28",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    "é".as_bytes(),
    "🦭".as_bytes(),
    b"sha256:",
    b"9999-99-99T99:99:99Z",
    b"-0001-01-01T00:00:00Z",
    b"[::1]",
    b"0x10",
    b"\\u0000",
    b"\\ud800",
    b"{{.}}",
];

/// `SplitMix64` (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, which is more than none.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or_default()
    }
}

/// Makes inputs of those of a corpus.
#[derive(Debug)]
pub struct Mutator {
    random: Random,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    pub fn new(random: Random, corpus: Vec<Vec<u8>>) -> Self {
        Self { random, corpus }
    }

    /// One of the corpus after a few changes.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.one_of_corpus();
        for _ in 0..=self.random.below(6) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn one_of_corpus(&mut self) -> Vec<u8> {
        let index = self.random.below(self.corpus.len());
        self.corpus[index].clone()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.below(input.len() + 1);
        let end = at + self.random.below((input.len() - at).min(32) + 1);
        match self.random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.random.below(8),
            1 if at < input.len() => input[at] = u8::try_from(self.random.below(256)).unwrap_or_default(),
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => {
                let word = WORDS[self.random.below(WORDS.len())];
                input.splice(at..end, word.iter().copied());
            }
            5 => {
                // Something of the input once more, and perhaps very often.
                let piece = input[at..end].to_vec();
                let times = if self.random.below(20) == 0 { self.random.below(2000) } else { self.random.below(4) };
                let piece = piece.repeat(times);
                input.splice(at..at, piece);
            }
            6 => {
                let other = self.one_of_corpus();
                let from = self.random.below(other.len() + 1);
                input.splice(at.., other[from..].iter().copied());
            }
            7 => self.number(input, at),
            _ => {
                let word = WORDS[self.random.below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
        }
        input.truncate(LONGEST);
    }

    /// Another number in place of the one after `at`.
    fn number(&mut self, input: &mut Vec<u8>, at: usize) {
        let Some(begin) = input[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else { return };
        let length = input[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = match self.random.below(4) {
            0 => (1_u128 << self.random.below(128)).to_string(),
            1 => ((1_u128 << self.random.below(127)) - 1).to_string(),
            2 => "9".repeat(length + 1),
            _ => self.random.below(100).to_string(),
        };
        input.splice(begin..begin + length, number.into_bytes());
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--secret NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]`.

use anyhow::{Result, bail};
use haulout_engine::container::options::{Exposure, SecretUse};

/// The mode of a secret's file when none is said.
const MODE: u32 = 0o444;

/// Reads one.
pub fn parse(text: &str) -> Result<SecretUse> {
    let mut words = text.split(',').peekable();
    let mut name = words.next_if(|word| !word.contains('=')).map(str::to_owned);
    let mut kind = "mount";
    let (mut target, mut uid, mut gid, mut mode) = (None, None, None, None);
    for word in words {
        let Some((key, value)) = word.split_once('=') else {
            bail!("option {word} must be in form option=value: parsing secret")
        };
        match key {
            "source" => name = Some(value.to_owned()),
            "type" if ["mount", "env"].contains(&value) => kind = value,
            "type" => bail!("type {value} is invalid: parsing secret"),
            "target" => target = Some(value.to_owned()),
            "mode" => match u32::from_str_radix(value, 8) {
                Ok(number) if number <= 0o7777 => mode = Some(number),
                _ => bail!("mode {value} invalid: parsing secret"),
            },
            "uid" | "gid" => {
                let Ok(number) = value.parse() else { bail!("{} {value} invalid: parsing secret", key.to_uppercase()) };
                *(if key == "uid" { &mut uid } else { &mut gid }) = Some(number);
            }
            _ => bail!("option {word} invalid: parsing secret"),
        }
    }
    let Some(name) = name.filter(|name| !name.is_empty() || text.is_empty()) else {
        bail!("no source found {text}: parsing secret");
    };
    let variable = kind == "env";
    if variable && (uid.is_some() || gid.is_some() || mode.is_some()) {
        bail!("UID, GID, Mode options cannot be set with secret type env: parsing secret");
    }
    Ok(SecretUse {
        name,
        id: String::new(),
        exposure: if variable { Exposure::Variable } else { Exposure::Mount },
        target: target.filter(|target| !target.is_empty()),
        uid: uid.unwrap_or(0),
        gid: gid.unwrap_or(0),
        mode: mode.unwrap_or(MODE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_file_unless_it_is_to_be_a_variable() {
        let plain = parse("a").unwrap();
        assert_eq!((plain.name.as_str(), plain.exposure, plain.mode), ("a", Exposure::Mount, 0o444));
        let whole = parse("a,target=/x,uid=3,gid=4,mode=0640").unwrap();
        assert_eq!((whole.target.as_deref(), whole.uid, whole.gid, whole.mode), (Some("/x"), 3, 4, 0o640));
        let variable = parse("type=env,source=a,target=B").unwrap();
        assert_eq!((variable.exposure, variable.target.as_deref()), (Exposure::Variable, Some("B")));
    }

    #[test]
    fn what_is_wrong_is_said_in_podmans_words() {
        for (text, words) in [
            ("a,type=foo", "type foo is invalid: parsing secret"),
            ("a,foo=foo", "option foo=foo invalid: parsing secret"),
            ("a,mode=9", "mode 9 invalid: parsing secret"),
            ("a,mode=77777", "mode 77777 invalid: parsing secret"),
            ("a,uid=-1", "UID -1 invalid: parsing secret"),
            ("type=env,target=x", "no source found type=env,target=x: parsing secret"),
            ("a,type=env,uid=3", "UID, GID, Mode options cannot be set with secret type env: parsing secret"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn whatever_is_written_it_is_one_or_refused() {
        haulout_fuzz::feed_text("secret", |text| {
            let _ = parse(text);
        });
    }
}

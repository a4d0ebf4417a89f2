// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sizes as people write them: `512m`.

/// A size in bytes as `--memory` takes it: a number and `b`, `k`, `m`, `g`, `t` or `p` (with `b` or `ib` after it), binary.
pub fn parse(text: &str) -> Option<u64> {
    scaled(text, 1024.0)
}

/// The same with decimal units, as a log's `max-size` takes it: `1k` is 1000, and so is `1kib`.
pub fn parse_decimal(text: &str) -> Option<u64> {
    scaled(text, 1000.0)
}

fn scaled(text: &str, thousand: f64) -> Option<u64> {
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    let unit = text[split..].trim_start_matches(' ').to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let bytes = number * thousand.powi(power);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (bytes.is_finite() && (0.0..9.2e18).contains(&bytes)).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_binary_units() {
        assert_eq!(parse("512m"), Some(512 << 20));
        assert_eq!(parse("1.5GiB"), Some(3 << 29));
        assert_eq!(parse("10"), Some(10));
        assert_eq!(parse("4 kb"), Some(4096));
        assert_eq!((parse_decimal("1.5m"), parse_decimal("1kib")), (Some(1_500_000), Some(1000)));
        for bad in ["", "x", "m", "-1", "1x", "1mm", "1e400", "99999999p"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn whatever_is_written_it_is_a_size_or_none() {
        haulout_fuzz::feed_text("size", |text| {
            let _ = parse(text);
        });
    }
}

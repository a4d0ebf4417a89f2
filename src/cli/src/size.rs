// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sizes in the words of go-units: `2.18MB` is decimal, `512m` is binary.

pub use haulout_engine::size::{parse, parse_decimal};

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];

/// Decimal units with `digits` significant digits and `space` before the unit: `2.18MB`.
pub fn human(bytes: u64, digits: usize, space: &str) -> String {
    #[allow(clippy::cast_precision_loss, reason = "it is shown with four digits")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < DECIMAL.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{}{space}{}", significant(size, digits), DECIMAL[unit])
}

/// Binary units with `digits` significant digits: `23.54GiB`.
pub fn human_binary(bytes: u64, digits: usize) -> String {
    const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    #[allow(clippy::cast_precision_loss, reason = "it is shown with four digits")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < BINARY.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{}{}", significant(size, digits), BINARY[unit])
}

/// A number below 1000 with so many significant digits and no trailing zeros, as C's `%.4g`.
fn significant(number: f64, digits: usize) -> String {
    let whole = if number < 10.0 {
        1
    } else if number < 100.0 {
        2
    } else {
        3
    };
    let text = format!("{number:.*}", digits.saturating_sub(whole));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_as_go_units_prints_them() {
        assert_eq!(human(0, 4, ""), "0B");
        assert_eq!(human(2_182_347, 3, " "), "2.18 MB");
        assert_eq!(human(11_100, 4, ""), "11.1kB");
        assert_eq!(human(124_000_000, 3, " "), "124 MB");
        assert_eq!(human(999_999, 3, ""), "1000kB");
        assert_eq!(human(1_234_567, 4, ""), "1.235MB");
        assert_eq!(human_binary(0, 4), "0B");
        assert_eq!(human_binary(25_276_502_016, 4), "23.54GiB");
    }
}

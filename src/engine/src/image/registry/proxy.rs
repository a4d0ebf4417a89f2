// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether somebody else is asked in a registry's place: who is told that a connection was refused wants to know whose it was.

use reqwest::Url;

/// The variables that name a proxy for a URL, as curl(1) and Go have them.
fn variables(url: &Url) -> [&'static str; 4] {
    match url.scheme() {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    }
}

/// The variable that has `url` fetched through a proxy, by what `get` says that variables are.
pub(super) fn in_the_way(url: &Url, get: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let filled = |name: &str| get(name).filter(|value| !value.is_empty());
    let host = url.host_str()?;
    let exempt = filled("NO_PROXY").or_else(|| filled("no_proxy")).unwrap_or_default();
    let is_exempt = exempt.split(',').map(|entry| entry.trim().trim_start_matches('.')).any(|entry| {
        entry == "*"
            || entry == host
            || (!entry.is_empty() && host.strip_suffix(entry).is_some_and(|left| left.ends_with('.')))
    });
    let loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if is_exempt || loopback { None } else { variables(url).into_iter().find(|name| filled(name).is_some()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_the_scheme_s_unless_the_host_is_exempt() {
        let get = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://user:secret@proxy:3128".to_owned()),
            "NO_PROXY" => Some("example.org, .internal".to_owned()),
            _ => None,
        };
        for (url, expected) in [
            ("https://registry.example/v2/", Some("HTTPS_PROXY")),
            ("http://registry.example/v2/", None),
            ("https://example.org/", None),
            ("https://a.example.org/", None),
            ("https://notexample.org/", Some("HTTPS_PROXY")),
            ("https://x.internal/", None),
            ("https://localhost:5000/", None),
            ("https://127.0.0.1/", None),
        ] {
            assert_eq!(in_the_way(&url.parse().unwrap(), get), expected, "{url}");
        }
    }
}

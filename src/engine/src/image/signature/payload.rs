// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is signed: the digest of a manifest and the image's name, in JSON (containers-signature(5), which sigstore took over).

use serde::Deserialize;
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::image::reference::Reference;

/// What a simple signature says that it is.
pub(super) const SIMPLE: &str = "atomic container signature";
/// What one of sigstore's says.
pub(super) const SIGSTORE: &str = "cosign container image signature";

/// What a signature says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Payload {
    /// Of which manifest it is.
    pub(super) digest: Digest,
    /// What the image is called.
    pub(super) identity: String,
}

/// As it is written. What is not known could be a restriction, and what is there twice could be read otherwise by another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    critical: Critical,
    #[serde(default)]
    #[allow(dead_code, reason = "it may be there, and nothing depends on it")]
    optional: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    r#type: String,
    image: Image,
    identity: Identity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

impl Payload {
    /// Of the manifest `digest`, called `reference`.
    pub(super) fn of(reference: &Reference, digest: &Digest) -> Self {
        Self { digest: *digest, identity: reference.to_string() }
    }

    /// Reads what was signed as a signature of that kind.
    pub(super) fn parse(bytes: &[u8], kind: &str) -> Result<Self, String> {
        let written: Written =
            serde_json::from_slice(bytes).map_err(|error| format!("Invalid signature: what is signed is {error}"))?;
        let Critical { r#type, image, identity } = written.critical;
        if r#type != kind {
            return Err(format!("Unrecognized signature type {type:?}"));
        }
        Ok(Self { digest: image.digest, identity: identity.reference })
    }

    /// The words that are signed.
    pub(super) fn written(&self, kind: &str) -> Vec<u8> {
        let words = json!({
            "critical": {
                "identity": {"docker-reference": self.identity},
                "image": {"docker-manifest-digest": self.digest},
                "type": kind,
            },
            "optional": {
                "creator": concat!("haulout ", env!("CARGO_PKG_VERSION")),
                "timestamp": jiff::Timestamp::now().as_second(),
            },
        });
        words.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn what_is_written_is_read() {
        let payload = Payload::of(&"q.io/a:1".parse().unwrap(), &DIGEST.parse().unwrap());
        assert_eq!(Payload::parse(&payload.written(SIMPLE), SIMPLE).unwrap(), payload);
        assert!(Payload::parse(&payload.written(SIGSTORE), SIMPLE).unwrap_err().contains("Unrecognized"));
    }

    #[test]
    fn what_is_not_known_or_said_twice_is_refused() {
        let image = format!(r#""image":{{"docker-manifest-digest":"{DIGEST}"}}"#);
        let rest = r#""type":"atomic container signature","identity":{"docker-reference":"q.io/a:1"}"#;
        for (text, good) in [
            (format!(r#"{{"critical":{{{image},{rest}}},"optional":{{"x":1}}}}"#), true),
            (format!(r#"{{"critical":{{{image},{rest}}},"optional":null}}"#), true),
            (format!(r#"{{"critical":{{{image},{rest},"x":1}},"optional":{{}}}}"#), false),
            (format!(r#"{{"critical":{{{image},{image},{rest}}},"optional":{{}}}}"#), false),
            (format!(r#"{{"critical":{{{image},{rest}}},"critical":{{{image},{rest}}}}}"#), false),
            (format!(r#"{{"critical":{{{image},{rest}}},"x":1}}"#), false),
            (format!(r#"{{"critical":{{{rest}}},"optional":{{}}}}"#), false),
            (format!(r#"{{"critical":{{{image},{rest}}}}} x"#), false),
            (String::new(), false),
        ] {
            assert_eq!(Payload::parse(text.as_bytes(), SIMPLE).is_ok(), good, "{text}");
        }
    }
}

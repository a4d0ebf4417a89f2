// SPDX-License-Identifier: Apache-2.0 OR MIT
//! sigstore's keys: ECDSA on the curve P-256. A public one is PEM's `PUBLIC KEY` (RFC 5280); a private one lies encrypted, as cosign
//! writes it: scrypt makes a key of the passphrase, and `NaCl`'s secretbox hides PKCS #8 (RFC 5208) behind it.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use serde::Deserialize;

use super::SignatureError;
use crate::engine::os_words;

/// The longest file of a key.
const KEY_MAX: u64 = 1 << 20;

/// As much memory as a passphrase may take to be made a key of.
const SCRYPT_MEMORY_MAX: u64 = 1 << 30;

/// What a public key on P-256 begins with (RFC 5480): who uses it for what, before the point itself.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Checks that `signature` (base64) is of `payload`, by one of the public keys in `files` or `datas` (base64). Blocks.
pub(super) fn verify(payload: &[u8], signature: &str, files: &[PathBuf], datas: &[&str]) -> Result<(), String> {
    let mut keys = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let text = read(file).map_err(|error| format!("open {}: {}", file.display(), os_words(&error)))?;
        keys.push(public(&text).map_err(|reason| format!("parsing public key {}: {reason}", number + 1))?);
    }
    for (number, data) in datas.iter().enumerate() {
        let failed = |reason: String| format!("parsing public key {}: {reason}", number + 1);
        let text = STANDARD.decode(data.trim()).map_err(|error| failed(error.to_string()))?;
        keys.push(public(&text).map_err(failed)?);
    }
    let signature = STANDARD.decode(signature).map_err(|error| format!("the signature is no base64: {error}"))?;
    let good = |key: &Vec<u8>| UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(payload, &signature).is_ok();
    if keys.iter().any(good) {
        return Ok(());
    }
    Err("cryptographic signature verification failed: invalid signature when validating ASN.1 encoded signature"
        .to_owned())
}

/// The point that is a public key.
fn public(text: &[u8]) -> Result<Vec<u8>, String> {
    let (label, bytes) = pem(text).ok_or("PEM decoding failed")?;
    if label != "PUBLIC KEY" {
        return Err(format!("unknown Public key PEM file type: {label}"));
    }
    match bytes.strip_prefix(&P256) {
        Some(point) if point.len() == 65 => Ok(point.to_vec()),
        _ => Err("it is no ECDSA key on the curve P-256, which is the only kind that is known".to_owned()),
    }
}

/// A private key, ready to sign.
pub(super) struct PrivateKey(EcdsaKeyPair);

/// What an encrypted private key is.
#[derive(Deserialize)]
struct Encrypted {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl PrivateKey {
    /// Reads the key in `path`. Blocks, and thinks for a second.
    pub(super) fn read(path: &Path, passphrase: &str) -> Result<Self, SignatureError> {
        let text = read(path).map_err(|error| {
            let words = os_words(&error);
            SignatureError::File(format!("reading private key from {0}: open {0}: {words}", path.display()))
        })?;
        let (label, bytes) = pem(&text).ok_or_else(|| SignatureError::Key("invalid pem block".to_owned()))?;
        if !matches!(label.as_str(), "ENCRYPTED COSIGN PRIVATE KEY" | "ENCRYPTED SIGSTORE PRIVATE KEY") {
            return Err(SignatureError::Key(format!("unsupported pem type: {label}")));
        }
        let plain = decrypt(&bytes, passphrase).map_err(|reason| SignatureError::Key(format!("decrypt: {reason}")))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &plain);
        pair.map(Self).map_err(|error| SignatureError::Key(format!("it is no ECDSA key on the curve P-256: {error}")))
    }

    /// The signature of `words`, in base64.
    pub(super) fn sign(&self, words: &[u8]) -> Result<String, SignatureError> {
        let signature = self.0.sign(&SystemRandom::new(), words);
        let signature = signature.map_err(|_| SignatureError::Sign("the key does not sign".to_owned()))?;
        Ok(STANDARD.encode(signature))
    }
}

fn decrypt(bytes: &[u8], passphrase: &str) -> Result<Vec<u8>, String> {
    let encrypted: Encrypted = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let Encrypted { kdf, cipher, ciphertext } = encrypted;
    if kdf.name != "scrypt" || cipher.name != "nacl/secretbox" {
        return Err(format!("unknown: {} and {}", kdf.name, cipher.name));
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
    let (salt, nonce, ciphertext) = (decode(&kdf.salt)?, decode(&cipher.nonce)?, decode(&ciphertext)?);
    let Params { n, r, p } = kdf.params;
    let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
    if !n.is_power_of_two() || n < 2 || memory > SCRYPT_MEMORY_MAX || p > 16 {
        return Err(format!("its key derivation is out of bounds: N {n}, r {r}, p {p}"));
    }
    let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
    let params = scrypt::Params::new(log_n, r, p, 32).map_err(|error| error.to_string())?;
    let mut key = [0; 32];
    scrypt::scrypt(passphrase.as_bytes(), &salt, &params, &mut key).map_err(|error| error.to_string())?;
    if nonce.len() != 24 {
        return Err(format!("its nonce is {} bytes long, not 24", nonce.len()));
    }
    let opened = XSalsa20Poly1305::new(Key::from_slice(&key)).decrypt(Nonce::from_slice(&nonce), ciphertext.as_slice());
    // In Podman's words; it is the passphrase, as a rule.
    opened.map_err(|_| "encrypted: decryption failed".to_owned())
}

/// The passphrase in a file: its first line.
pub(super) fn passphrase(path: &Path) -> Result<String, SignatureError> {
    let bytes =
        read(path).map_err(|error| SignatureError::File(format!("open {}: {}", path.display(), os_words(&error))))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| SignatureError::File(format!("the passphrase in {} is no text", path.display())))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > KEY_MAX {
        return Err(std::io::Error::other("it is too long for a key"));
    }
    fs::read(path)
}

/// The one block of a PEM file (RFC 7468): what it says it is, and what it is.
fn pem(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (label, rest) = text.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let body = rest.strip_suffix(&format!("-----END {label}-----"))?;
    let body: String = body.split_ascii_whitespace().collect();
    Some((label.to_owned(), STANDARD.decode(body).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by `skopeo generate-sigstore-key`, with the passphrase "secret".
    const PRIVATE: &str = "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJveXEyZjdDNHZWTitLQWswM0hubSsvVTVhdEV0dFAv
SStKcTRZWHBpbkV3PSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJENThoTy9VYkl5QmgwTnZub3dGNjdjRlJRQUppN3U5YSJ9LCJj
aXBoZXJ0ZXh0IjoiUmRtZGZDYjRjVlR3ZGhzT05ZR0NHQ0VQWk85NmxjQ2J6a0I1
bWpRbk5PN1VBYnFLd2pHTnhoWnVSRlF3Q0cvWWtXcGU5Q2hWMlJySTltRFZlTnJZ
L3JxS20xTVBFbFl4aUlwOXdtZzlhSmYwanhOVStieFN2Unk3ckF5Zi9EekRkS1NG
dTFDN3h2elNUZGx4SUQvY3lMUUVNczdBenJiakxRc004L2cxTmc0eW5TOEc3K1Vw
UFJnK2ZhUDVJVTd4dEtrUVYwVlp6UFJ3ZUE9PSJ9
-----END ENCRYPTED COSIGN PRIVATE KEY-----
";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXcBoyc0kNx2kztdgTtYj9t1q/nc9
slxOYwnXdI2+YRdKRQo9QNP6JeqlPzGq/hsqZykYssldJSZlpw9KUp10Jw==
-----END PUBLIC KEY-----
";

    #[test]
    fn a_key_of_skopeo_s_signs_and_its_public_one_checks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.private");
        fs::write(&path, PRIVATE).unwrap();
        let wrong = PrivateKey::read(&path, "wrong").err().unwrap().to_string();
        assert_eq!(wrong, "initializing private key: decrypt: encrypted: decryption failed");
        let signature = PrivateKey::read(&path, "secret").unwrap().sign(b"words").unwrap();
        let data = STANDARD.encode(PUBLIC);
        verify(b"words", &signature, &[], &[&data]).unwrap();
        assert!(verify(b"other words", &signature, &[], &[&data]).is_err());
        assert!(verify(b"words", "AAAA", &[], &[&data]).is_err() && verify(b"words", "!", &[], &[&data]).is_err());
        assert!(verify(b"words", &signature, &[], &[]).is_err());
        fs::write(&path, PUBLIC).unwrap();
        let public = PrivateKey::read(&path, "secret").err().unwrap().to_string();
        assert_eq!(public, "initializing private key: unsupported pem type: PUBLIC KEY");
        verify(b"words", &signature, &[path], &[]).unwrap();
    }

    #[test]
    fn a_derivation_that_would_take_all_memory_is_refused() {
        let derive = |n: &str, r: &str, p: &str| {
            let text = format!(
                r#"{{"kdf":{{"name":"scrypt","params":{{"N":{n},"r":{r},"p":{p}}},"salt":""}},
                   "cipher":{{"name":"nacl/secretbox","nonce":""}},"ciphertext":""}}"#
            );
            decrypt(text.as_bytes(), "").unwrap_err()
        };
        for (n, r, p) in [
            ("1073741824", "8", "1"),
            ("65536", "4294967295", "1"),
            ("65537", "8", "1"),
            ("2", "1", "99999"),
            ("0", "8", "1"),
        ] {
            assert!(derive(n, r, p).contains("out of bounds"), "{n} {r} {p}");
        }
        assert!(derive("2", "1", "1").contains("nonce"));
    }
}

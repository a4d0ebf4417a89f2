// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys for encrypted images (ocicrypt), which Haulout knows nothing of: who asks for them is told so before anything is done.

use std::fs::File;

use anyhow::{Result, anyhow, bail};

use crate::exit::os_words;

/// `--decryption-key`: `FILE[:PASSPHRASE]`.
pub fn refuse_decryption(keys: &[String]) -> Result<()> {
    let Some(key) = keys.first() else { return Ok(()) };
    readable(key.split(':').next().unwrap_or(key))
        .map_err(|error| anyhow!("unable to obtain decryption config: invalid decryption keys: {error}"))?;
    bail!("unable to obtain decryption config: Haulout does not decrypt images: take one that is not encrypted")
}

/// `--encryption-key` (`PROTOCOL:KEY`) and `--encrypt-layer`.
pub fn refuse_encryption(keys: &[String], layers: &[i64]) -> Result<()> {
    let Some(key) = keys.first() else {
        if layers.is_empty() {
            return Ok(());
        }
        bail!("--encrypt-layer can be used only with --encryption-key");
    };
    match key.split_once(':') {
        Some(("jwe" | "pkcs7" | "pkcs11", path)) => readable(path)
            .map_err(|error| anyhow!("unable to obtain encryption config: invalid encryption keys: {error}"))?,
        Some(("pgp" | "provider", _)) => {}
        _ => bail!("unable to obtain encryption config: invalid encryption keys: Invalid recipient format"),
    }
    bail!("unable to obtain encryption config: Haulout does not encrypt images: push it without --encryption-key")
}

fn readable(path: &str) -> Result<()> {
    File::open(path).map(drop).map_err(|error| anyhow!("open {path}: {}", os_words(&error)))
}

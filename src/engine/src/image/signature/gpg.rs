// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `OpenPGP` by the `gpg` program, which Podman uses too: the user's own keys sign, and only the keys that policy.json names check.
//!
//! What it says is read from its status lines (`doc/DETAILS` of `GnuPG`), which are alone on its standard error: its other words go
//! nowhere when a signature is checked.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::SignatureError;
use crate::engine::os_words;

/// The longest text that can be signed, after it is unpacked.
const SIGNED_MAX: usize = 1 << 20;

/// The longest file of keys.
const KEYS_MAX: u64 = 16 << 20;

/// Checks that `message` is signed by one of the keys in `files` or `data` (base64); what it signs. Blocks.
pub(super) fn verify(message: &[u8], files: &[PathBuf], data: Option<&str>) -> Result<Vec<u8>, String> {
    // A text between armour, which may have other text around it, is none (containers-signature(5)).
    if message.first().is_none_or(|first| first & 0x80 == 0) {
        return Err("Unexpected GPG signature count 0: it is no OpenPGP message".to_owned());
    }
    let home = Home::make()?;
    let trusted = home.import(files, data)?;
    let path = home.0.path().join("signature");
    fs::write(&path, message).map_err(|error| format!("writing {}: {error}", path.display()))?;
    let output = home
        .gpg()
        .args(["--trust-model", "always", "--max-output", &SIGNED_MAX.to_string(), "--output", "-", "--decrypt"])
        .arg(&path)
        .output();
    let output = output.map_err(|error| cannot_run(&error))?;
    let signer = signer(&status(&output.stderr))?;
    if !trusted.contains(&signer) {
        return Err(format!(
            "Invalid GPG signature: it is by the key {signer}, which is none of those that are trusted"
        ));
    }
    if !output.status.success() {
        return Err(format!("Invalid GPG signature: gpg ended with {}", output.status));
    }
    Ok(output.stdout)
}

/// The primary key that made the one good signature that the status lines tell of.
fn signer(lines: &[Vec<String>]) -> Result<String, String> {
    let of = |keyword: &str| lines.iter().filter(|line| line[0] == keyword).collect::<Vec<_>>();
    for (keyword, what) in [
        ("BADSIG", "it is not of these words"),
        ("EXPSIG", "it has expired"),
        ("EXPKEYSIG", "its key has expired"),
        ("REVKEYSIG", "its key was revoked"),
    ] {
        if let Some(line) = of(keyword).first() {
            return Err(format!("Invalid GPG signature: {what} (key {})", line.get(1).map_or("", String::as_str)));
        }
    }
    if let Some(line) = of("ERRSIG").first() {
        let key = line.get(1).map_or("", String::as_str);
        return Err(format!("Invalid GPG signature: it is by the key {key}, which is none of those that are trusted"));
    }
    match (of("NEWSIG").len(), of("GOODSIG").len(), of("PLAINTEXT").len(), of("VALIDSIG").as_slice()) {
        // The last word is the primary key's fingerprint, of which the one that signed may be a subkey.
        (1, 1, 1, [valid]) if valid.len() >= 11 => Ok(valid[10].clone()),
        (count, ..) => Err(format!("Unexpected GPG signature count {count}")),
    }
}

/// Signs `words` with the user's key `user`: a message that has both. Blocks.
pub(super) fn sign(words: &[u8], user: &str, passphrase: Option<&Path>) -> Result<Vec<u8>, SignatureError> {
    let failed = SignatureError::Sign;
    let mut command = Command::new("gpg");
    command.args(["--status-fd", "2", "--no-armor", "--local-user", user]);
    if let Some(file) = passphrase {
        let there =
            fs::metadata(file).map_err(|error| failed(format!("open {}: {}", file.display(), os_words(&error))))?;
        if !there.is_file() {
            return Err(failed(format!("open {}: it is no file", file.display())));
        }
        command.args(["--batch", "--pinentry-mode", "loopback", "--passphrase-file"]).arg(file);
    }
    let child = command
        .args(["--output", "-", "--sign"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| failed(cannot_run(&error)))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It is shorter than a pipe is wide; one who does not read it says why.
        let _ = stdin.write_all(words);
    }
    let Output { status: ended, stdout, stderr } =
        child.wait_with_output().map_err(|error| failed(cannot_run(&error)))?;
    let lines = status(&stderr);
    if lines.iter().any(|line| line[0] == "INV_SGNR") {
        return Err(failed(format!("key {user:?} not found")));
    }
    if !ended.success() || !lines.iter().any(|line| line[0] == "SIG_CREATED") || stdout.is_empty() {
        let text = String::from_utf8_lossy(&stderr);
        let last = text.lines().rfind(|line| line.starts_with("gpg: ")).unwrap_or("gpg ended without a signature");
        return Err(failed(last.to_owned()));
    }
    Ok(stdout)
}

/// The addresses in the keys of a file, or of base64: what `image trust show` calls them by. Blocks.
///
/// # Errors
/// `gpg` cannot be run, or finds no keys in it.
pub fn key_owners(files: &[PathBuf], data: Option<&str>) -> Result<Vec<String>, String> {
    let home = Home::make()?;
    home.import(files, data)?;
    let output = home.gpg().args(["--with-colons", "--list-keys"]).output().map_err(|error| cannot_run(&error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `uid:…` has the user id as its tenth field.
    let owners = text.lines().filter_map(|line| line.strip_prefix("uid:")?.split(':').nth(8));
    Ok(owners
        .map(|owner| owner.rsplit_once('<').map_or(owner, |(_, mail)| mail.trim_end_matches('>')).to_owned())
        .collect())
}

/// A home of `gpg`'s that has nothing but what is put into it, and goes with it.
struct Home(TempDir);

impl Home {
    fn make() -> Result<Self, String> {
        // Nobody else can look into it: tempfile makes it so.
        let folder = tempfile::Builder::new().prefix("haulout-gpg-").tempdir();
        folder.map(Self).map_err(|error| format!("making a folder for gpg: {error}"))
    }

    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command
            .arg("--homedir")
            .arg(self.0.path())
            .args(["--no-options", "--batch", "--no-tty", "--no-autostart", "--no-auto-key-locate"])
            .args(["--status-fd", "2", "--logger-file", "/dev/null"])
            .stdin(Stdio::null());
        command
    }

    /// Takes the keys in; their fingerprints.
    fn import(&self, files: &[PathBuf], data: Option<&str>) -> Result<Vec<String>, String> {
        let mut all: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        for file in files {
            let open = |error: io::Error| format!("open {}: {}", file.display(), os_words(&error));
            if fs::metadata(file).map_err(open)?.len() > KEYS_MAX {
                return Err(format!("{} is too long for a file of keys", file.display()));
            }
            all.push((file.clone(), fs::read(file).map_err(open)?));
        }
        if let Some(data) = data {
            let bytes = STANDARD.decode(data.trim()).map_err(|error| format!("the policy's keyData: {error}"))?;
            all.push(("the policy's keyData".into(), bytes));
        }
        let mut fingerprints = Vec::new();
        for (name, bytes) in all {
            let path = self.0.path().join("keys");
            fs::write(&path, bytes).map_err(|error| format!("writing {}: {error}", path.display()))?;
            let output = self.gpg().arg("--import").arg(&path).output().map_err(|error| cannot_run(&error))?;
            let imported: Vec<String> = status(&output.stderr)
                .into_iter()
                .filter(|line| line[0] == "IMPORT_OK")
                .filter_map(|line| line.get(2).cloned())
                .collect();
            if imported.is_empty() {
                return Err(format!("No public keys imported from {}", name.display()));
            }
            fingerprints.extend(imported);
        }
        Ok(fingerprints)
    }
}

/// The status lines, in words; each has one at least.
fn status(stderr: &[u8]) -> Vec<Vec<String>> {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
    let words = lines.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    words.filter(|words| !words.is_empty()).collect()
}

fn cannot_run(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "gpg is not there: install GnuPG to sign and to check signatures".to_owned(),
        _ => format!("running gpg: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        signer(&status(text.as_bytes()))
    }

    const VALID: &str = "[GNUPG:] VALIDSIG SUB 2026-11-29 1 0 4 0 1 10 00 PRIMARY\n";

    #[test]
    fn one_good_signature_of_one_text_is_wanted() {
        let begin = "[GNUPG:] PLAINTEXT 62 1\n[GNUPG:] NEWSIG x\n";
        let good = "[GNUPG:] GOODSIG KEY Tester\n";
        assert_eq!(read(&format!("{begin}{good}{VALID}")).unwrap(), "PRIMARY");
        for bad in [
            String::new(),
            format!("{begin}{good}"),
            format!("{begin}{VALID}"),
            format!("{begin}{good}{VALID}[GNUPG:] NEWSIG\n{good}{VALID}"),
            format!("{begin}{good}{VALID}[GNUPG:] PLAINTEXT 62 1\n"),
            format!("{begin}[GNUPG:] EXPKEYSIG KEY Tester\n{VALID}"),
            format!("{begin}[GNUPG:] REVKEYSIG KEY Tester\n{VALID}"),
            format!("{begin}[GNUPG:] EXPSIG KEY Tester\n{VALID}"),
            format!("{begin}[GNUPG:] BADSIG KEY Tester\n"),
            format!("{begin}[GNUPG:] ERRSIG KEY 1 10 00 0 9\n[GNUPG:] NO_PUBKEY KEY\n"),
            format!("{begin}{good}gpg: {VALID}"),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}

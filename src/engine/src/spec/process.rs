// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's process: its command and its environment.

use std::collections::HashMap;

use oci_spec::image::Config;

use crate::container::Options;

/// Where programs are looked for when the image does not say.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The proxy variables that go from whoever starts a container into it.
const PROXY: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/// The command: the entrypoint, then the arguments. The image's arguments count only with the image's entrypoint.
pub fn command(options: &Options, image: Option<&Config>) -> Vec<String> {
    let mut command = entrypoint(options, image);
    if !options.command.is_empty() {
        command.extend(options.command.iter().cloned());
    } else if options.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        command.extend(of_image(image.map(Config::cmd)).iter().cloned());
    }
    command
}

/// The words that come before it: those asked for, else the image's.
pub fn entrypoint(options: &Options, image: Option<&Config>) -> Vec<String> {
    match &options.entrypoint {
        Some(entrypoint) => entrypoint.clone(),
        None => of_image(image.map(Config::entrypoint)).to_vec(),
    }
}

fn of_image(part: Option<&Option<Vec<String>>>) -> &[String] {
    part.and_then(Option::as_deref).unwrap_or_default()
}

/// Variables in order; setting one again keeps its place.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: Vec<String>,
    /// Where each is, by its name: there may be thousands.
    places: HashMap<String, usize>,
}

impl Environment {
    /// Sets one, written `NAME=value`. Without `=` it is not one.
    pub fn set(&mut self, variable: &str) {
        let Some((name, _)) = variable.split_once('=') else { return };
        if let Some(&place) = self.places.get(name) {
            variable.clone_into(&mut self.variables[place]);
        } else {
            self.places.insert(name.to_owned(), self.variables.len());
            self.variables.push(variable.to_owned());
        }
    }

    /// Takes one away.
    pub fn unset(&mut self, name: &str) {
        if let Some(place) = self.places.remove(name) {
            self.variables.remove(place);
            self.places.values_mut().filter(|other| **other > place).for_each(|other| *other -= 1);
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let variable = &self.variables[*self.places.get(name)?];
        variable.split_once('=').map(|(_, value)| value)
    }

    /// `text` with what is set for every `$NAME` and `${NAME}` in it, nothing for what is not.
    fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let (name, left) = match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
                Some((name, left)) => (name, left),
                None => after.split_at(after.find(|letter| !is_name(letter)).unwrap_or(after.len())),
            };
            out.push_str(self.get(name).unwrap_or_default());
            rest = left;
        }
        out + rest
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// `NAME=value`, each.
    pub fn into_variables(self) -> Vec<String> {
        self.variables
    }
}

/// The environment, but for `HOME`, which only the container's own `/etc/passwd` can tell.
pub fn environment(
    options: &Options,
    image: Option<&Config>,
    configured: &[String],
    proxies: bool,
    hostname: &str,
) -> Environment {
    let mut environment = Environment::default();
    if options.unset_all_env {
        environment.set(&format!("HOSTNAME={hostname}"));
        options.env.iter().for_each(|(name, value)| environment.set(&format!("{name}={value}")));
        return environment;
    }
    environment.set(PATH);
    environment.set("container=podman");
    if options.terminal {
        environment.set("TERM=xterm");
    }
    if proxies {
        for lower in PROXY {
            for name in [lower.to_owned(), lower.to_ascii_uppercase()] {
                if let Ok(value) = std::env::var(&name) {
                    environment.set(&format!("{name}={value}"));
                }
            }
        }
    }
    let of_image = image.and_then(|image| image.env().as_deref()).unwrap_or_default();
    for variable in configured.iter().chain(of_image) {
        environment.set(variable);
    }
    if !environment.has("HOSTNAME") {
        environment.set(&format!("HOSTNAME={hostname}"));
    }
    // What comes without being asked for; `-e` outranks it.
    options.unset_env.iter().for_each(|name| environment.unset(name));
    for (name, value) in &options.env_merge {
        let value = environment.expand(value);
        environment.set(&format!("{name}={value}"));
    }
    for (name, value) in &options.env {
        environment.set(&format!("{name}={value}"));
    }
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn image(entrypoint: &str, cmd: &str) -> Config {
        let mut config = Config::default();
        config.set_entrypoint(Some(words(entrypoint)).filter(|words| !words.is_empty()));
        config.set_cmd(Some(words(cmd)).filter(|words| !words.is_empty()));
        config
    }

    #[test]
    fn the_images_arguments_count_only_with_its_own_entrypoint() {
        let command = |entrypoint: Option<&str>, arguments: &str, image: &Config| {
            let options =
                Options { entrypoint: entrypoint.map(words), command: words(arguments), ..Options::default() };
            command(&options, Some(image)).join(" ")
        };
        let both = image("/entry -x", "serve now");
        assert_eq!(command(None, "", &both), "/entry -x serve now");
        assert_eq!(command(None, "help", &both), "/entry -x help");
        assert_eq!(command(Some("/other"), "", &both), "/other");
        assert_eq!(command(Some("/other"), "help", &both), "/other help");
        assert_eq!(command(Some(""), "sh", &both), "sh");
        assert_eq!(command(None, "", &image("", "sh")), "sh");
        assert_eq!(command(None, "", &image("", "")), "");
    }

    #[test]
    fn a_variable_is_there_once_and_the_users_wins() {
        let mut config = Config::default();
        config.set_env(Some(words("PATH=/bin A=image B=image")));
        let options = Options {
            env: vec![("A".into(), "user".into()), ("C".into(), String::new())],
            terminal: true,
            ..Options::default()
        };
        let got = environment(&options, Some(&config), &words("B=conf D=conf"), false, "box").into_variables();
        assert_eq!(got, words("PATH=/bin container=podman TERM=xterm B=image D=conf A=user HOSTNAME=box C="));
    }
}

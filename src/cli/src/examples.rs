// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `--help` and the manual pages show of a verb in use.

/// The examples of the verb `path` (`run`, `volume create`), each without the program and the verb itself; a line that has something
/// before the verb has `@` for both.
pub fn of(path: &str) -> &'static [&'static str] {
    // `container run` is `run`, `image pull` is `pull`, if there is nothing to say of itself.
    let short = path.strip_prefix("container ").or_else(|| path.strip_prefix("image "));
    let known = |path: &str| EXAMPLES.iter().find(|(known, _)| *known == path).map(|(_, lines)| *lines);
    known(path).or_else(|| known(short?)).unwrap_or_default()
}

/// A verb's examples as whole lines.
pub fn lines(program: &str, path: &str) -> Vec<String> {
    let verb = format!("{program} {path}");
    let line = |text: &&str| {
        if text.contains('@') { text.replace('@', &verb) } else { format!("{verb} {text}").trim_end().to_owned() }
    };
    of(path).iter().map(line).collect()
}

const EXAMPLES: &[(&str, &[&str])] = &[
    ("attach", &["web", "--no-stdin web", "--detach-keys ctrl-x,x web"]),
    ("auto-update", &["", "--dry-run", "--rollback=false", "--authfile ~/auth.json"]),
    ("auto-update apply", &["web.container", "--rollback=false web.container"]),
    ("auto-update disable", &[""]),
    ("auto-update enable", &[""]),
    ("auto-update history", &["", "--last 5 web.container"]),
    ("auto-update hold", &["", "--until 2027-01-10 web.container", "--until 72h web.container db.container"]),
    ("auto-update release", &["web.container"]),
    ("auto-update rollback", &["web.container"]),
    (
        "commit",
        &[
            "web web:changed",
            "--author \"Jane Doe\" --pause web web:changed",
            "--change 'ENV LANG=C.UTF-8' --change 'CMD [\"nginx\"]' web",
        ],
    ),
    ("completion", &["bash > ~/.local/share/bash-completion/completions/haulout", "--no-desc zsh"]),
    ("container clone", &["web web-copy", "--destroy --cpus 2 web"]),
    ("container exists", &["web"]),
    ("container inspect", &["web", "--size web", "--format '{{.State.Status}}' web db"]),
    ("container list", &["", "--all", "--filter status=exited --all"]),
    ("container mount", &["", "web"]),
    ("container prune", &["", "--force --filter until=24h"]),
    ("container runlabel", &["install myimage", "--display run myimage"]),
    ("cp", &["web:/etc/nginx/nginx.conf .", "index.html web:/usr/share/nginx/html/", "web:/var/log - > log.tar"]),
    ("create", &["alpine ls", "--name web --publish 8080:80 nginx", "--tty --interactive --name shell alpine"]),
    ("diff", &["web", "alpine", "--format json web"]),
    ("events", &["", "--filter event=create", "--since 1h30m --stream=false", "--format '{{.Image}}'"]),
    ("exec", &["-it web sh", "--workdir /tmp web pwd", "--user root --env A=b web id"]),
    ("export", &["web > web.tar", "--output web.tar web"]),
    ("generate quadlet", &["web"]),
    ("generate spec", &["web", "--compact --name=false web"]),
    ("healthcheck run", &["web"]),
    ("history", &["quay.io/fedora/fedora", "--no-trunc --format json alpine"]),
    ("image diff", &["alpine", "--format json alpine"]),
    ("image exists", &["alpine"]),
    ("image inspect", &["alpine", "--format '{{.Os}}/{{.Architecture}}' alpine"]),
    ("image list", &["", "--filter dangling=true", "--format json"]),
    ("image mount", &["", "alpine"]),
    ("image prune", &["", "--all --force", "--filter until=24h"]),
    ("image rm", &["alpine", "--force alpine", "c4dfb1609ee2 93fd78260bd1"]),
    ("image scp", &["alpine tester@localhost::"]),
    ("image tree", &["alpine", "--whatrequires alpine"]),
    ("image trust", &["show", "set --type reject registry.example.com"]),
    (
        "images",
        &[
            "",
            "--format json",
            "--sort size --filter dangling=false",
            "--format 'table {{.ID}} {{.Repository}} {{.Tag}}'",
        ],
    ),
    (
        "import",
        &[
            "web.tar web:imported",
            "--change CMD=/bin/sh --message 'from a backup' web.tar",
            "cat web.tar | @ - web:imported",
        ],
    ),
    ("info", &["", "--format '{{.Host.Kernel}}'"]),
    ("init", &["web"]),
    ("inspect", &["alpine", "--type container web", "--format '{{.Id}} {{.Size}}' alpine", "web db"]),
    ("kill", &["web", "--signal HUP web", "--all"]),
    ("load", &["--input alpine.tar", "@ < alpine.tar"]),
    ("login", &["quay.io", "--username jane --password-stdin quay.io < password", "--get-login quay.io"]),
    ("logout", &["quay.io", "--authfile auth.json quay.io", "--all"]),
    ("logs", &["web", "--follow --since 10m web", "--tail 20 --timestamps web", "--names web db"]),
    ("manifest add", &["list:v1 alpine:v1-arm64", "--arch arm64 list:v1 docker://quay.io/example/alpine:v1"]),
    (
        "manifest annotate",
        &["--annotation left=right list:v1 sha256:15352d97781ffdf357bf3459c037be3efac4133dc9070c2dce7eca7c05c3e736"],
    ),
    (
        "manifest create",
        &["list:v1", "list:v1 alpine:v1-amd64 alpine:v1-arm64", "--all list:v1 docker://quay.io/example/alpine:v1"],
    ),
    ("manifest exists", &["list:v1"]),
    ("manifest inspect", &["list:v1"]),
    ("manifest push", &["list:v1 docker://quay.io/example/alpine:v1", "--all list:v1 registry.example.com/alpine:v1"]),
    ("manifest remove", &["list:v1 sha256:15352d97781ffdf357bf3459c037be3efac4133dc9070c2dce7eca7c05c3e736"]),
    ("manifest rm", &["list:v1"]),
    ("mount", &["", "web"]),
    ("pause", &["web", "--all"]),
    ("port", &["web", "web 80/tcp", "--all"]),
    (
        "ps",
        &[
            "",
            "--all",
            "--filter status=exited --all",
            "--size --sort names",
            "--format '{{.ID}} {{.Image}} {{.Labels}}'",
        ],
    ),
    ("pull", &["alpine", "quay.io/fedora/fedora:latest", "--platform linux/arm64 alpine", "docker-archive:alpine.tar"]),
    ("push", &["web:changed registry.example.com/web:changed", "web:changed oci-archive:web.tar"]),
    ("quadlet check", &["", "web.container", "./web.container", "--format json"]),
    ("quadlet diff", &["", "web.container"]),
    ("quadlet from-compose", &["compose.yaml"]),
    ("quadlet from-run", &["podman run -d --name web -p 8080:80 nginx"]),
    ("quadlet install", &["web.container", "--replace ./units", "https://example.com/web.container"]),
    ("quadlet list", &["", "--noheading --format '{{.Name}} {{.Status}}'"]),
    ("quadlet print", &["web.container", "--service web.container"]),
    ("quadlet rm", &["web.container", "--force web.container", "--all"]),
    ("quadlet sync", &[""]),
    ("rename", &["web front"]),
    ("restart", &["web", "--time 2 web db", "--running"]),
    ("rm", &["web", "--force web db", "--all --volumes"]),
    ("rmi", &["alpine", "--force alpine", "c4dfb1609ee2 93fd78260bd1"]),
    (
        "run",
        &[
            "alpine ls -l /etc",
            "-it --rm fedora bash",
            "--detach --name web --publish 8080:80 nginx",
            "--volume ./site:/usr/share/nginx/html:ro nginx",
            "--userns keep-id --volume .:/work --workdir /work alpine make",
        ],
    ),
    ("save", &["--output alpine.tar alpine", "--format oci-archive -o all.tar alpine", "alpine > alpine.tar"]),
    (
        "search",
        &["--limit 3 alpine", "--list-tags quay.io/fedora/fedora", "--format 'table {{.Index}} {{.Name}}' alpine"],
    ),
    ("secret create", &["token ./token.txt", "printf '%s' \"$TOKEN\" | @ token -"]),
    ("secret exists", &["token"]),
    ("secret inspect", &["token", "--showsecret token"]),
    ("secret ls", &["", "--format '{{.Name}}'"]),
    ("secret rm", &["token", "--all"]),
    ("start", &["web db", "--attach --interactive shell", "--all"]),
    ("stats", &["", "--no-stream web", "--no-stream --format 'table {{.Name}} {{.MemUsage}}'"]),
    ("stop", &["web", "--time 2 web db", "--all"]),
    ("system check", &["", "--quick"]),
    ("system df", &["", "--verbose"]),
    ("system events", &["", "--since 1h30m --stream=false"]),
    ("system info", &["", "--format '{{.Host.Kernel}}'"]),
    ("system prune", &["", "--all --volumes --force"]),
    ("system reset", &[""]),
    ("tag", &["alpine alpine:mine", "alpine registry.example.com/alpine:v1"]),
    ("top", &["web", "web pid seccomp args %C", "web -eo user,pid,comm"]),
    ("unmount", &["web", "--all"]),
    ("unpause", &["web", "--all"]),
    ("unshare", &["id", "cat /proc/self/uid_map", "chown -R 0:0 ./site"]),
    ("untag", &["alpine", "alpine alpine:mine"]),
    ("update", &["--cpus 2 --memory 1g web", "--restart always web"]),
    ("version", &["", "--format '{{.Client.Version}}'"]),
    (
        "volume create",
        &["", "data", "--label purpose=backup data", "--opt type=tmpfs --opt device=tmpfs --opt o=size=100m scratch"],
    ),
    ("volume exists", &["data"]),
    ("volume export", &["data --output data.tar", "data > data.tar"]),
    ("volume import", &["data data.tar", "cat data.tar | @ data -"]),
    ("volume inspect", &["data", "--all", "--format '{{.Mountpoint}}' data"]),
    ("volume ls", &["", "--filter dangling=true --quiet"]),
    ("volume mount", &["data"]),
    ("volume prune", &["", "--force"]),
    ("volume rm", &["data", "--force data", "--all"]),
    ("volume unmount", &["data"]),
    ("wait", &["web", "--condition stopped --interval 5s web db", "--latest"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{GROUPS, VERBS, Verb, command};

    /// Every verb by its path.
    fn verbs() -> impl Iterator<Item = (String, &'static Verb)> {
        let of_groups = GROUPS
            .iter()
            .flat_map(|group| group.verbs.iter().map(move |verb| (format!("{} {}", group.name, verb.names[0]), verb)));
        VERBS.iter().map(|verb| (verb.names[0].to_owned(), verb)).chain(of_groups)
    }

    #[test]
    fn every_example_is_of_a_verb_and_has_only_flags_of_its() {
        for (path, _) in EXAMPLES {
            assert!(verbs().any(|(known, _)| known == *path), "there is no {path}");
        }
        for (path, verb) in verbs() {
            let command = command(verb);
            for example in of(&path) {
                // What comes after the verb's own words is of another program.
                let own = example.split("podman ").next().unwrap_or_default();
                for flag in own.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
                    let flag = flag.split('=').next().unwrap_or_default();
                    let known = command.get_arguments().any(|arg| arg.get_long() == Some(flag));
                    assert!(known, "{path} {example}: there is no --{flag}");
                }
            }
        }
    }

    #[test]
    fn the_long_form_of_a_verb_has_its_examples() {
        assert_eq!(lines("haulout", "container rename"), ["haulout container rename web front"]);
        assert_eq!(lines("podman", "image load")[1], "podman image load < alpine.tar");
        assert!(of("container exists").len() == 1 && of("nothing").is_empty());
    }
}

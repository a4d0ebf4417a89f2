// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go templates over [`Data`].
//!
//! The parser and the executor are `gotmpl`'s. It knows maps but no structs, so the tree is rewritten before it is executed:
//! every field access and everything that prints becomes a call of a function of ours, which knows what the value is and says what
//! Go says of a field that is not there. A struct or a time travels through the executor as a closed `Value::Function`.

use std::sync::Arc;

use gotmpl::parse::{CommandNode, Expr, ListNode, Node, Parser, PipeNode, Pos};
use gotmpl::{TemplateError, Value};

use super::data::{Data, Field};
use super::functions;

/// A parsed template.
pub struct Template {
    name: String,
    template: gotmpl::Template,
}

/// A template cannot be parsed, or cannot be executed on what it was given; the words are Go's.
#[derive(Debug, thiserror::Error)]
#[error("template: {0}")]
pub struct Error(String);

/// What `print` and its like get must be plain values.
const PRINTING: [&str; 6] = ["print", "printf", "println", "html", "js", "urlquery"];

pub(super) const FIELD: &str = "\u{1}field";
pub(super) const SHOW: &str = "\u{1}show";
pub(super) const SHOW_FIELD: &str = "\u{1}show-field";
pub(super) const RAW_FIELD: &str = "\u{1}raw-field";
pub(super) const FORMAT_TIME: &str = "\u{1}format-time";
pub(super) const PLAIN: &str = "\u{1}plain";

impl Template {
    /// Parses `text`; `name` is the verb's, for error messages.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let fault = |message: &str| Error(format!("{name}:1: {message}"));
        let (mut tree, defines) =
            Parser::new(text, "{{", "}}").and_then(Parser::parse).map_err(|error| fault(&parse_words(&error)))?;
        balance(text).map_err(fault)?;
        let mut rewriter = Rewriter { name, source: text };
        rewriter.list(&mut tree)?;
        let mut template = functions::add(gotmpl::Template::new(name)).add_parse_tree(name, tree);
        for mut define in defines {
            rewriter.list(&mut define.body)?;
            template = template.add_parse_tree(&define.name, define.body);
        }
        Ok(Self { name: name.to_owned(), template })
    }

    /// Its text with `data` as dot.
    pub fn execute(&self, data: &Data) -> Result<String, Error> {
        self.template.execute_template_to_string(&self.name, &wrap(data)).map_err(|error| match error {
            TemplateError::Exec(message) => match message.strip_prefix('\u{1}') {
                Some(message) => Error(message.to_owned()),
                None => Error(format!("{}:1: {message}", self.name)),
            },
            error => Error(format!("{}:1: {error}", self.name)),
        })
    }
}

/// Whether every block ends just once: `gotmpl` takes the end of the text for the end of everything.
fn balance(text: &str) -> Result<(), &'static str> {
    let mut open = 0_usize;
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let action = rest[at + 2..].trim_start_matches('-').trim_start();
        let keyword = action.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or("");
        match keyword {
            "if" | "range" | "with" | "define" | "block" => open += 1,
            "end" => open = open.checked_sub(1).ok_or("unexpected {{end}}")?,
            _ => {}
        }
        rest = action.get(action_length(action)..).unwrap_or("");
    }
    if open == 0 { Ok(()) } else { Err("unexpected EOF") }
}

/// The bytes of an action, up to its `}}`: one in a string or a comment is not its end.
fn action_length(action: &str) -> usize {
    if action.starts_with("/*") {
        return action.find("*/").unwrap_or(action.len());
    }
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in action.char_indices() {
        match quote {
            Some('`') | None if escaped => {}
            Some(open) if letter == open && !escaped => quote = None,
            Some('"') if letter == '\\' && !escaped => {
                escaped = true;
                continue;
            }
            None if letter == '"' || letter == '`' => quote = Some(letter),
            None if action[at..].starts_with("}}") => return at,
            _ => {}
        }
        escaped = false;
    }
    action.len()
}

/// What is wrong with a template, without the position that `gotmpl` puts before it.
fn parse_words(error: &TemplateError) -> String {
    match error {
        TemplateError::Parse { message, .. } | TemplateError::Lex { message, .. } => {
            // Go names a character by its number as well.
            match message.strip_prefix("unexpected character: '").and_then(|rest| rest.chars().next()) {
                Some(letter) => format!("bad character U+{:04X} '{letter}'", u32::from(letter)),
                None => message.clone(),
            }
        }
        error => error.to_string(),
    }
}

struct Rewriter<'a> {
    name: &'a str,
    source: &'a str,
}

impl Rewriter<'_> {
    fn list(&mut self, list: &mut ListNode) -> Result<(), Error> {
        list.nodes.iter_mut().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &mut Node) -> Result<(), Error> {
        match node {
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => Ok(()),
            Node::List(list) => self.list(list),
            Node::Define(define) => self.list(&mut define.body),
            Node::Template(template) => template.pipe.as_mut().map_or(Ok(()), |pipe| self.pipe(pipe)),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                self.pipe(&mut branch.pipe)?;
                self.list(&mut branch.body)?;
                branch.else_body.as_mut().map_or(Ok(()), |body| self.list(body))
            }
            Node::Action(action) => {
                let lone_field = match action.pipe.commands.as_mut_slice() {
                    [command] if action.pipe.decl.is_empty() => match command.args.as_slice() {
                        [Expr::Field(pos, names)] => Some(self.call_field(SHOW_FIELD, *pos, names)),
                        _ => None,
                    },
                    _ => None,
                };
                if let Some(call) = lone_field {
                    action.pipe.commands = vec![call];
                    return Ok(());
                }
                self.pipe(&mut action.pipe)?;
                if action.pipe.decl.is_empty() {
                    let pos = action.pos;
                    action.pipe.commands.push(call(pos, SHOW, []));
                }
                Ok(())
            }
        }
    }

    fn pipe(&mut self, pipe: &mut PipeNode) -> Result<(), Error> {
        let names: Vec<Option<String>> =
            pipe.commands.iter().map(|command| function(command).map(str::to_owned)).collect();
        let mut rewritten = Vec::with_capacity(pipe.commands.len());
        for (index, mut command) in std::mem::take(&mut pipe.commands).into_iter().enumerate() {
            let next = names.get(index + 1).and_then(Option::as_deref);
            let own = names[index].as_deref();
            self.command(&mut command, own, next)?;
            let pos = command.pos;
            if index > 0 && own.is_some_and(|name| PRINTING.contains(&name)) {
                rewritten.push(call(pos, PLAIN, []));
            }
            rewritten.push(command);
        }
        pipe.commands = rewritten;
        Ok(())
    }

    fn command(&mut self, command: &mut CommandNode, own: Option<&str>, next: Option<&str>) -> Result<(), Error> {
        if let Some(name) = own
            && !functions::KNOWN.contains(&name)
        {
            return Err(Error(format!("{}:1: function {name:?} not defined", self.name)));
        }
        // The one method with an argument that podman's rows have: the value of a label.
        if let [Expr::Field(pos, names), label] = command.args.as_slice()
            && matches!(names.as_slice(), [name] if name.as_str() == "Label")
        {
            let labels = nested(self.call_field(FIELD, *pos, &["Labels"]));
            let label = label.clone();
            *command = call(*pos, "index", [labels, label]);
            return Ok(());
        }
        // And the one of a time.
        if let [Expr::Field(pos, names), layout] = command.args.as_slice()
            && let [time @ .., method] = names.as_slice()
            && method.as_str() == "Format"
            && !time.is_empty()
        {
            let time = nested(self.call_field(RAW_FIELD, *pos, time));
            let layout = layout.clone();
            *command = call(*pos, FORMAT_TIME, [time, layout]);
            return Ok(());
        }
        if let [Expr::Field(pos, names), _, ..] = command.args.as_slice() {
            let last = names.last().map_or("", |name| name.as_str());
            let place = self.place(*pos, names);
            return Err(Error(format!("{place}: {last} is not a method but has arguments")));
        }
        let to_json = own == Some("json") || (next == Some("json") && command.args.len() == 1);
        if to_json && let [Expr::Field(pos, names)] = command.args.as_slice() {
            *command = self.call_field(RAW_FIELD, *pos, names);
            return Ok(());
        }
        let printing = own.is_some_and(|name| PRINTING.contains(&name));
        for arg in &mut command.args {
            self.expr(arg, if to_json { RAW_FIELD } else { FIELD })?;
            if printing && !matches!(arg, Expr::Identifier(..)) {
                let pos = arg.pos();
                let inner = std::mem::replace(arg, Expr::Nil(pos));
                *arg = nested(call(pos, PLAIN, [inner]));
            }
        }
        Ok(())
    }

    fn expr(&mut self, expr: &mut Expr, field: &str) -> Result<(), Error> {
        match expr {
            Expr::Field(pos, names) => {
                *expr = nested(self.call_field(field, *pos, names));
                Ok(())
            }
            Expr::Variable(pos, name, names) if !names.is_empty() => {
                let base = Expr::Variable(*pos, name.clone(), Vec::new());
                *expr = nested(self.call_chain(field, *pos, base, names));
                Ok(())
            }
            Expr::Chain(pos, inner, names) => {
                self.expr(inner, FIELD)?;
                let (pos, base) = (*pos, std::mem::replace(inner.as_mut(), Expr::Nil(*pos)));
                let names = std::mem::take(names);
                *expr = nested(self.call_chain(field, pos, base, &names));
                Ok(())
            }
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            _ => Ok(()),
        }
    }

    /// `FUNCTION . "a" "b" "PLACE"` for `.a.b`.
    fn call_field(&self, function: &str, pos: Pos, names: &[impl AsRef<str>]) -> CommandNode {
        self.call_chain(function, pos, Expr::Dot(pos), names)
    }

    fn call_chain(&self, function: &str, pos: Pos, base: Expr, names: &[impl AsRef<str>]) -> CommandNode {
        let place = Expr::String(pos, self.place(pos, names).into());
        let names = names.iter().map(|name| Expr::String(pos, name.as_ref().into()));
        call(pos, function, std::iter::once(base).chain(names).chain([place]))
    }

    /// `ps:1:13: executing "ps" at <.Foo.Bar>`: Go counts from the last dot.
    fn place(&self, pos: Pos, names: &[impl AsRef<str>]) -> String {
        let mut chain = String::new();
        for name in names {
            chain.push('.');
            chain.push_str(name.as_ref());
        }
        let last = names.last().map_or(0, |name| name.as_ref().len() + 1);
        let line_start = self.source[..pos.offset.min(self.source.len())].rfind('\n').map_or(0, |at| at + 1);
        let column = pos.offset - line_start.min(pos.offset) + chain.len() - last;
        format!("{0}:{1}:{column}: executing {0:?} at <{chain}>", self.name, pos.line)
    }
}

fn function(command: &CommandNode) -> Option<&str> {
    match command.args.first() {
        Some(Expr::Identifier(_, name)) => Some(name.as_str()),
        _ => None,
    }
}

fn call(pos: Pos, function: &str, args: impl IntoIterator<Item = Expr>) -> CommandNode {
    CommandNode { pos, args: std::iter::once(Expr::Identifier(pos, function.into())).chain(args).collect() }
}

fn nested(command: CommandNode) -> Expr {
    let pos = command.pos;
    Expr::Pipe(pos, PipeNode { pos, decl: Vec::new(), commands: vec![command], is_assign: false })
}

/// A value that the executor can carry: plain where it has the kind, closed otherwise.
fn wrap(data: &Data) -> Value {
    match data {
        Data::Nil => Value::Nil,
        Data::Bool(value) => Value::Bool(*value),
        Data::Int(value) => Value::Int(*value),
        Data::Float(value) => Value::Float(*value),
        Data::Text(text) => Value::String(text.clone()),
        Data::List(list) => Value::List(list.iter().flat_map(|list| list.iter()).map(wrap).collect()),
        Data::Map(map) => Value::Map(Arc::new(
            map.iter().flat_map(|map| map.iter()).map(|(key, value)| (key.as_str().into(), wrap(value))).collect(),
        )),
        Data::Time(_) | Data::Duration(_) | Data::Struct(_) => close(data),
    }
}

/// A value as a function: with a field's name it answers the field, with nothing its JSON and how it prints.
fn close(data: &Data) -> Value {
    let data = data.clone();
    Value::Function(Arc::new(move |args| match args {
        [Value::String(mode), Value::String(name)] if mode.as_ref() == FIELD => {
            field(&data, name).map(|value| value.map_or(Value::Nil, |value| wrap(&value)))
        }
        [Value::String(mode), Value::String(name)] if mode.as_ref() == SHOW_FIELD => field(&data, name)
            .map(|value| Value::String(value.map_or("<no value>".into(), |value| value.print().into()))),
        [Value::String(mode), Value::String(name)] if mode.as_ref() == RAW_FIELD => {
            field(&data, name).map(|value| value.map_or(Value::Nil, |value| close(&value)))
        }
        _ => Ok(Value::List([data.json().to_string().into(), data.print().into()].map(Value::String).into())),
    }))
}

fn field(data: &Data, name: &str) -> Result<Option<Data>, TemplateError> {
    match data.field(name) {
        Field::Value(value) => Ok(Some(value)),
        Field::NoKey => Ok(None),
        Field::Unknown => Err(TemplateError::Exec(format!("can't evaluate field {name} in type {}", data.kind()))),
    }
}

/// The JSON and the print of a value.
pub(super) fn both(value: &Value) -> Result<(String, String), TemplateError> {
    if let Value::Function(closed) = value
        && let Value::List(pair) = closed(&[])?
        && let [Value::String(json), Value::String(text)] = pair.as_ref()
    {
        return Ok((json.to_string(), text.to_string()));
    }
    let data = open(value)?;
    match &data {
        Opened::Data(data) => Ok((data.json().to_string(), data.print())),
        Opened::List(items) => {
            let (json, text): (Vec<_>, Vec<_>) =
                items.iter().map(both).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
            Ok((format!("[{}]", json.join(",")), format!("[{}]", text.join(" "))))
        }
        Opened::Map(entries) => {
            let (mut json, mut text) = (Vec::new(), Vec::new());
            for (key, value) in entries {
                let (value_json, value_text) = both(value)?;
                json.push(format!("{}:{value_json}", serde_json::Value::from(key.as_str())));
                text.push(format!("{key}:{value_text}"));
            }
            Ok((format!("{{{}}}", json.join(",")), format!("map[{}]", text.join(" "))))
        }
    }
}

enum Opened {
    Data(Data),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

fn open(value: &Value) -> Result<Opened, TemplateError> {
    Ok(match value {
        Value::Nil => Opened::Data(Data::Nil),
        Value::Bool(value) => Opened::Data(Data::Bool(*value)),
        Value::Int(value) => Opened::Data(Data::Int(*value)),
        Value::Uint(value) => Opened::Data((*value).into()),
        Value::Float(value) => Opened::Data(Data::Float(*value)),
        Value::String(text) => Opened::Data(Data::Text(text.clone())),
        Value::List(list) => Opened::List(list.to_vec()),
        Value::Map(map) => Opened::Map(map.iter().map(|(key, value)| (key.to_string(), value.clone())).collect()),
        Value::Function(_) => return Err(TemplateError::Exec("can't print a function".to_owned())),
    })
}

/// Walks `names` from `args[0]`; the last step is of the kind `last` ([`FIELD`], [`SHOW_FIELD`], [`RAW_FIELD`]).
pub(super) fn walk(args: &[Value], last: &str) -> Result<Value, TemplateError> {
    let [base, names @ .., Value::String(place)] = args else {
        return Err(TemplateError::Exec("a field access without a field".to_owned()));
    };
    let mut value = base.clone();
    for (index, name) in names.iter().enumerate() {
        let mode = if index + 1 == names.len() { last } else { FIELD };
        let Value::String(name) = name else { continue };
        value = step(&value, name, mode).map_err(|error| match error {
            TemplateError::Exec(message) => TemplateError::Exec(format!("\u{1}{place}: {message}")),
            error => error,
        })?;
    }
    Ok(value)
}

fn step(value: &Value, name: &Arc<str>, mode: &str) -> Result<Value, TemplateError> {
    let found = match value {
        Value::Function(closed) => return closed(&[Value::String(mode.into()), Value::String(name.clone())]),
        Value::Map(map) => map.get(name.as_ref()).cloned(),
        Value::Nil => return Err(TemplateError::Exec(format!("nil pointer evaluating interface {{}}.{name}"))),
        value => {
            let kind = match open(value)? {
                Opened::Data(data) => data.kind(),
                Opened::List(items) if matches!(items.first(), Some(Value::String(_))) => "[]string",
                Opened::List(_) => "[]interface {}",
                Opened::Map(_) => "map[string]interface {}",
            };
            return Err(TemplateError::Exec(format!("can't evaluate field {name} in type {kind}")));
        }
    };
    match (mode, found) {
        (SHOW_FIELD, Some(value)) => Ok(Value::String(both(&value)?.1.into())),
        (SHOW_FIELD, None) => Ok(Value::String("<no value>".into())),
        (_, found) => Ok(found.unwrap_or(Value::Nil)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::Struct;
    use super::*;
    use std::collections::BTreeMap;

    fn container() -> Data {
        Struct::of("define.InspectContainerData")
            .with_as("ID", "Id", "abc")
            .with("Name", "one")
            .with(
                "State",
                Struct::of("*define.InspectContainerState")
                    .with("Status", "running")
                    .with("Running", true)
                    .with("StartedAt", Data::Time(Some(0)))
                    .with("Health", Data::Nil),
            )
            .with(
                "Config",
                Struct::of("*define.InspectContainerConfig")
                    .with("Labels", &BTreeMap::from([("a", "<b>")]))
                    .with("Env", vec!["HOME=/root", "X=1"])
                    .with("Entrypoint", Data::List(None)),
            )
            .with("Mounts", vec![Struct::of("define.InspectMount").with("Source", "/a").with("RW", true)])
            .into()
    }

    fn run(text: &str) -> String {
        let list = Data::from(vec![container()]);
        let text = format!("{{{{range .}}}}{text}{{{{end}}}}");
        match Template::parse("inspect", &text).and_then(|template| template.execute(&list)) {
            Ok(text) => text,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn fields_print_as_go_prints_them() {
        assert_eq!(run("{{.ID}} {{.Id}} {{.State.Status}} {{.State.Running}}"), "abc abc running true");
        assert_eq!(run("{{.Config.Labels}} {{.Config.Env}} {{.Mounts}}"), "map[a:<b>] [HOME=/root X=1] [{/a true}]");
        assert_eq!(
            run("{{.State.StartedAt}} {{.State.Health}} {{.Config.Entrypoint}}"),
            "1970-01-01 00:00:00 +0000 UTC <nil> []"
        );
        assert_eq!(run("{{.Config.Labels.a}} {{.Config.Labels.nope}}"), "<b> <no value>");
        assert_eq!(run(r#"{{ index .Config.Labels "nope" }}|{{ index .Config.Env 1 }}"#), "|X=1");
    }

    #[test]
    fn json_has_jsons_names_and_knows_nil() {
        assert_eq!(
            run("{{json .State.Status}} {{json .Config.Entrypoint}} {{json .Config.Env}}"),
            r#""running" null ["HOME=/root","X=1"]"#
        );
        assert_eq!(
            run("{{json .}}"),
            r#"{"Id":"abc","Name":"one","State":{"Status":"running","Running":true,"StartedAt":"1970-01-01T00:00:00Z","Health":null},"Config":{"Labels":{"a":"<b>"},"Env":["HOME=/root","X=1"],"Entrypoint":null},"Mounts":[{"Source":"/a","RW":true}]}"#
        );
        assert_eq!(run("{{.Mounts | json}}"), r#"[{"Source":"/a","RW":true}]"#);
    }

    #[test]
    fn what_scripts_do_works() {
        assert_eq!(
            run(
                r#"{{range .Config.Env}}{{if and (ge (len .) 5) (eq (slice . 0 5) "HOME=")}}{{slice . 5 | printf "%q"}}{{end}}{{end}}"#
            ),
            "\"/root\""
        );
        assert_eq!(run(r"{{range .Mounts}}{{.Source}} {{.RW}}{{println}}{{end}}"), "/a true\n");
        assert_eq!(run("{{with .State}}{{.Status}}{{end}}{{$x := .Name}}{{$x}}"), "runningone");
        assert_eq!(run("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}"), "none");
        assert_eq!(run(r#"{{printf "%s %v" .Name .State.StartedAt}}"#), "one 1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(run("{{range $key, $value := .Config.Labels}}{{$key}}={{$value}};{{end}}"), "a=<b>;");
        assert_eq!(
            run(
                r#"{{upper .Name}} {{.Name | title}} {{join .Config.Env ","}} {{split .Name "n"}} {{pad .Name 1 2}}| {{truncate .Name 1}}"#
            ),
            "ONE One HOME=/root,X=1 [o e]  one  | o"
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_gos_words() {
        for (text, message) in [
            (
                "{{.Nope}}",
                "template: inspect:1:13: executing \"inspect\" at <.Nope>: can't evaluate field Nope in type define.InspectContainerData",
            ),
            (
                "{{.State.Nope}}",
                "template: inspect:1:19: executing \"inspect\" at <.State.Nope>: can't evaluate field Nope in type *define.InspectContainerState",
            ),
            (
                "{{.Config.Env.Foo}}",
                "template: inspect:1:24: executing \"inspect\" at <.Config.Env.Foo>: can't evaluate field Foo in type []string",
            ),
            (
                "{{.Name.Foo}}",
                "template: inspect:1:18: executing \"inspect\" at <.Name.Foo>: can't evaluate field Foo in type string",
            ),
            ("{{foo .Id}}", "template: inspect:1: function \"foo\" not defined"),
        ] {
            assert_eq!(run(text), message);
        }
        for broken in ["{{.Id", "{{if}}", "{{range .Config.Env}}{{.}}", "{{end}}", "{{if .Id}}x{{end}}{{end}}"] {
            assert!(run(broken).starts_with("template: inspect:1: "), "{}", run(broken));
        }
    }
}

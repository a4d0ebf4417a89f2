// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a template or `--format json` shows: values as Go has them.
//!
//! Podman prints the fields of Go structs, and a template sees other names (`.ID`) than JSON does (`Id`), prints times and
//! lists otherwise, and knows a struct (whose missing field is an error) from a map (whose missing key is not).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::moment;
use crate::time;

/// A value.
#[derive(Clone, Debug, Default)]
pub enum Data {
    /// A pointer to nothing.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// Any whole number.
    Int(i64),
    /// `float64`.
    Float(f64),
    /// `string`.
    Text(Arc<str>),
    /// A point in time in nanoseconds since 1970; Go's zero time when nothing.
    Time(Option<i64>),
    /// A `time.Duration` in nanoseconds: a number to JSON, `1m30s` to who reads it.
    Duration(i64),
    /// A slice; nothing for a nil one (`null` in JSON).
    List(Option<Arc<[Data]>>),
    /// A map with string keys; nothing for a nil one.
    Map(Option<Arc<BTreeMap<String, Data>>>),
    /// A struct.
    Struct(Arc<Struct>),
}

/// A struct: its Go type (for error messages) and its fields in order.
#[derive(Clone, Debug)]
pub struct Struct {
    kind: &'static str,
    fields: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    name: &'static str,
    json: Option<&'static str>,
    omit_empty: bool,
    in_template: bool,
    value: Data,
}

impl Struct {
    /// One of the Go type `kind`, without fields.
    pub fn of(kind: &'static str) -> Self {
        Self { kind, fields: Vec::new() }
    }

    fn push(mut self, name: &'static str, json: Option<&'static str>, omit_empty: bool, value: Data) -> Self {
        self.fields.push(Member { name, json, omit_empty, in_template: true, value });
        self
    }

    /// A field with one name for templates and JSON.
    pub fn with(self, name: &'static str, value: impl Into<Data>) -> Self {
        self.push(name, Some(name), false, value.into())
    }

    /// A field that JSON calls otherwise.
    pub fn with_as(self, name: &'static str, json: &'static str, value: impl Into<Data>) -> Self {
        self.push(name, Some(json), false, value.into())
    }

    /// A field that JSON does not show when it is empty.
    pub fn with_omitted(self, name: &'static str, json: &'static str, value: impl Into<Data>) -> Self {
        self.push(name, Some(json), true, value.into())
    }

    /// A field that only templates see.
    pub fn with_hidden(self, name: &'static str, value: impl Into<Data>) -> Self {
        self.push(name, None, false, value.into())
    }

    /// Itself to templates, and `other` to JSON.
    pub fn with_json_of(mut self, other: Self) -> Self {
        for field in &mut self.fields {
            field.json = None;
        }
        self.fields.extend(other.fields.into_iter().map(|field| Member { in_template: false, ..field }));
        self
    }

    /// A field that only JSON sees.
    pub fn with_json(mut self, json: &'static str, value: impl Into<Data>) -> Self {
        self.fields.push(Member {
            name: json,
            json: Some(json),
            omit_empty: false,
            in_template: false,
            value: value.into(),
        });
        self
    }
}

/// What a field access comes to.
#[derive(Clone, Debug)]
pub enum Field {
    /// A value.
    Value(Data),
    /// A map without that key.
    NoKey,
    /// The type has no such field.
    Unknown,
}

impl From<Struct> for Data {
    fn from(value: Struct) -> Self {
        Self::Struct(Arc::new(value))
    }
}

impl From<bool> for Data {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Data {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Data {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Data {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl From<&String> for Data {
    fn from(value: &String) -> Self {
        Self::Text(value.as_str().into())
    }
}

macro_rules! whole {
    ($($kind:ty),*) => { $(impl From<$kind> for Data {
        fn from(value: $kind) -> Self {
            Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
        }
    })* };
}
whole!(i64, i32, u8, u16, u32, u64, usize);

impl<T: Into<Data>> From<Option<T>> for Data {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}

impl<T: Into<Data>> From<Vec<T>> for Data {
    fn from(value: Vec<T>) -> Self {
        Self::List(Some(value.into_iter().map(Into::into).collect()))
    }
}

impl<T: Into<Data> + Clone> From<&[T]> for Data {
    fn from(value: &[T]) -> Self {
        value.to_vec().into()
    }
}

impl<K: ToString, T: Into<Data> + Clone> From<&BTreeMap<K, T>> for Data {
    fn from(value: &BTreeMap<K, T>) -> Self {
        let entries = value.iter().map(|(key, value)| (key.to_string(), value.clone().into()));
        Self::Map(Some(Arc::new(entries.collect())))
    }
}

impl<T: Into<Data>> From<BTreeMap<String, T>> for Data {
    fn from(value: BTreeMap<String, T>) -> Self {
        let entries = value.into_iter().map(|(key, value)| (key, value.into()));
        Self::Map(Some(Arc::new(entries.collect())))
    }
}

impl From<&Value> for Data {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Float(number.as_f64().unwrap_or(0.0)), Self::Int)
            }
            Value::String(text) => text.into(),
            Value::Array(list) => list.iter().collect::<Vec<_>>().into(),
            Value::Object(map) => {
                Self::Map(Some(Arc::new(map.iter().map(|(key, value)| (key.clone(), value.into())).collect())))
            }
        }
    }
}

impl Data {
    /// A list, or Go's nil slice (`null` in JSON) when it is empty.
    pub fn list_or_nil<T: Into<Data>>(list: Vec<T>) -> Self {
        if list.is_empty() { Self::List(None) } else { list.into() }
    }

    /// A map, or Go's nil map (`null` in JSON) when it is empty.
    pub fn map_or_nil(map: &BTreeMap<String, String>) -> Self {
        if map.is_empty() { Self::Map(None) } else { map.into() }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Nil | Self::List(None) | Self::Map(None) => true,
            Self::Bool(value) => !value,
            Self::Int(value) | Self::Duration(value) => *value == 0,
            Self::Float(value) => *value == 0.0,
            Self::Text(text) => text.is_empty(),
            Self::List(Some(list)) => list.is_empty(),
            Self::Map(Some(map)) => map.is_empty(),
            Self::Time(_) | Self::Struct(_) => false,
        }
    }

    /// Its Go type, as error messages name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::List(Some(list)) if matches!(list.first(), Some(Self::Text(_))) => "[]string",
            Self::List(_) => "[]interface {}",
            Self::Map(Some(map)) if matches!(map.values().next(), Some(Self::Text(_))) => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Struct(fields) => fields.kind,
        }
    }

    /// What `.name` of it is.
    pub fn field(&self, name: &str) -> Field {
        let found = match self {
            Self::Time(at) => return moment::method(*at, name).map_or(Field::Unknown, Field::Value),
            Self::Duration(length) => return moment::of_duration(*length, name).map_or(Field::Unknown, Field::Value),
            Self::Struct(fields) => {
                let named = |name: &str| fields.fields.iter().find(|field| field.in_template && field.name == name);
                // Where podman takes `.Id` for `.ID`, so does everybody.
                named(name).or_else(|| named("ID").filter(|_| name == "Id")).map(|field| &field.value)
            }
            Self::Map(map) => match map.as_ref().and_then(|map| map.get(name)) {
                None => return Field::NoKey,
                value => value,
            },
            _ => None,
        };
        found.cloned().map_or(Field::Unknown, Field::Value)
    }

    /// How Go's `fmt` prints it (`%v`).
    pub fn print(&self) -> String {
        match self {
            Self::Nil => "<nil>".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Time(at) => time::go_string(*at),
            Self::Duration(length) => time::go_duration(*length),
            Self::List(list) => {
                let items: Vec<String> = list.iter().flat_map(|list| list.iter()).map(Self::print).collect();
                format!("[{}]", items.join(" "))
            }
            Self::Map(map) => {
                let mut text = "map[".to_owned();
                for (index, (key, value)) in map.iter().flat_map(|map| map.iter()).enumerate() {
                    let space = if index == 0 { "" } else { " " };
                    let _ = write!(text, "{space}{key}:{}", value.print());
                }
                text + "]"
            }
            Self::Struct(fields) => {
                let visible = fields.fields.iter().filter(|field| field.in_template);
                let items: Vec<String> = visible.map(|field| field.value.print()).collect();
                format!("{{{}}}", items.join(" "))
            }
        }
    }

    /// Itself as JSON.
    pub fn json(&self) -> Value {
        match self {
            Self::Nil | Self::List(None) | Self::Map(None) => Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) | Self::Duration(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Text(text) => text.as_ref().into(),
            Self::Time(at) => time::rfc3339(*at).into(),
            Self::List(Some(list)) => list.iter().map(Self::json).collect(),
            Self::Map(Some(map)) => {
                Value::Object(map.iter().map(|(key, value)| (key.clone(), value.json())).collect::<Map<_, _>>())
            }
            Self::Struct(fields) => {
                let shown = fields.fields.iter().filter(|field| !(field.omit_empty && field.value.is_empty()));
                let entries = shown.filter_map(|field| Some((field.json?.to_owned(), field.value.json())));
                Value::Object(entries.collect())
            }
        }
    }
}

/// Prints JSON as Go's `MarshalIndent` does, with `indent` (empty: on one line).
pub fn print_json(value: &Value, indent: &str) -> String {
    use serde::Serialize as _;
    if indent.is_empty() {
        return value.to_string();
    }
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => value.to_string(),
    }
}

/// JSON text whose `<`, `>` and `&` are escaped, as Go's encoder does unless it is told not to.
pub fn escape_html(json: &str) -> String {
    // They occur in strings only.
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Data {
        Struct::of("define.Sample")
            .with_as("ID", "Id", "abc")
            .with("Labels", &BTreeMap::from([("a", "<b>")]))
            .with("Empty", Data::List(None))
            .with_omitted("Size", "Size", Data::Nil)
            .with_hidden("Shown", "yes")
            .with_json("Kept", vec!["x", "y"])
            .with("At", Data::Time(None))
            .into()
    }

    #[test]
    fn a_struct_shows_one_set_of_names_to_templates_and_another_to_json() {
        let json = sample().json();
        assert_eq!(
            json.to_string(),
            r#"{"Id":"abc","Labels":{"a":"<b>"},"Empty":null,"Kept":["x","y"],"At":"0001-01-01T00:00:00Z"}"#
        );
        assert_eq!(sample().print(), "{abc map[a:<b>] [] <nil> yes 0001-01-01 00:00:00 +0000 UTC}");
        assert!(matches!(sample().field("Kept"), Field::Unknown));
        assert!(matches!(sample().field("Id"), Field::Value(Data::Text(_))));
        let Field::Value(labels) = sample().field("Labels") else { panic!("no labels") };
        assert!(matches!(labels.field("nope"), Field::NoKey));
    }

    #[test]
    fn json_is_indented_and_escaped_as_go_does_it() {
        let json = print_json(&serde_json::json!({"a": ["<"], "b": [], "c": {}}), "    ");
        assert_eq!(
            escape_html(&json),
            "{\n    \"a\": [\n        \"\\u003c\"\n    ],\n    \"b\": [],\n    \"c\": {}\n}"
        );
    }
}

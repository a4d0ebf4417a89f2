// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout events`.

use anyhow::{Result, anyhow, bail};
use futures_util::StreamExt as _;
use haulout_engine::event::{Event, Kind};

use crate::format::{Data, Format, Struct, Template, data as json};
use crate::invocation::Invocation;
use crate::{filter, output, time};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Show system events
///
/// Monitor system events.
/// By default, streaming mode is used, printing new events as they occur. Previous events can be listed via --since and --until.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Filter output
    #[arg(short, long)]
    filter: Vec<String>,
    /// Format the output using a Go template
    #[arg(long)]
    format: Option<String>,
    /// Do not truncate the output
    #[arg(long, default_value_t = true)]
    no_trunc: bool,
    /// Show all events created since timestamp
    #[arg(long)]
    since: Option<String>,
    /// Stream events and do not exit when returning the last known event
    #[arg(long, default_value_t = true)]
    stream: bool,
    /// Show all events until timestamp
    #[arg(long)]
    until: Option<String>,
    words: Vec<String>,
}

/// Prints what happened, and what happens.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    if invocation.settings()?.engine.events_logger.as_deref() == Some("none") {
        bail!("cannot read events with the \"none\" backend");
    }
    let since = point("since", args.since.as_ref(), time::point)?;
    let until = point("until", args.until.as_ref(), time::point_ahead)?;
    let engine = invocation.engine();
    let filter = filter::Events::parse(&args.filter, &engine).await?;
    let view = View::parse(args.format.as_deref(), args.no_trunc)?;
    let show = |event: &Event| {
        if filter.holds(event) { output::print(&view.show(event)?).map_err(anyhow::Error::from) } else { Ok(()) }
    };
    let past = until.is_some_and(|until| until <= time::now());
    if past || !args.stream {
        let until = until.unwrap_or(i64::MAX);
        for event in engine.past_events(since.unwrap_or(i64::MIN)).await? {
            if event.time <= until {
                show(&event)?;
            }
        }
        return Ok(0);
    }
    let mut events = engine.events(since);
    let end = async {
        match until {
            Some(until) => {
                let nanoseconds = u64::try_from(until - time::now()).unwrap_or(0);
                tokio::time::sleep(std::time::Duration::from_nanos(nanoseconds)).await;
            }
            None => std::future::pending().await,
        }
    };
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => show(&event?)?,
                None => return Ok(0),
            },
            () = &mut end => return Ok(0),
        }
    }
}

fn point(flag: &str, text: Option<&String>, read: fn(&str) -> Option<i64>) -> Result<Option<i64>> {
    text.map(|text| {
        read(text).ok_or_else(|| {
            anyhow!(
                "failed to parse event filters: unable to convert {flag} time of {text}: unable to interpret time value"
            )
        })
    })
    .transpose()
}

/// How an event is shown.
enum View {
    Line { whole: bool },
    Json,
    Template(Template),
}

impl View {
    fn parse(format: Option<&str>, whole: bool) -> Result<Self> {
        Ok(match format.map(Format::parse) {
            None => Self::Line { whole },
            Some(Format::Json) => Self::Json,
            Some(Format::Template { text, .. }) => Self::Template(Template::parse("events", &text)?),
        })
    }

    fn show(&self, event: &Event) -> Result<String> {
        Ok(match self {
            Self::Line { whole } => line(event, *whole) + "\n",
            Self::Json => json::escape_html(&data(event).json().to_string()) + "\n",
            Self::Template(template) => template.execute(&vec![data(event)].into())?,
        })
    }
}

fn line(event: &Event, whole: bool) -> String {
    let id = if whole { &event.id } else { event.id.get(..12).unwrap_or(&event.id) };
    let head = format!("{} {} {} {id}", time::go_string(Some(event.time)), event.kind.as_str(), event.action);
    match event.kind {
        Kind::Container => {
            let mut words =
                vec![format!("image={}", event.image.as_deref().unwrap_or("")), format!("name={}", event.name)];
            if let Some(health) = &event.health {
                words.push(format!("health_status={}", health.status.as_str()));
                words.push(format!("health_failing_streak={}", health.failing_streak));
                words.push(format!("health_log={}", health.log));
            }
            words.extend(event.labels.iter().map(|(key, value)| format!("{key}={value}")));
            format!("{head} ({})", words.join(", "))
        }
        Kind::Image => {
            let error = event.error.as_ref().map(|error| format!(" {error}")).unwrap_or_default();
            format!("{head} {}{error}", event.name)
        }
        Kind::Volume => format!("{} {}", head.trim_end(), event.name).trim_end().to_owned(),
        Kind::System => head.trim_end().to_owned(),
    }
}

fn data(event: &Event) -> Data {
    let event_data = Struct::of("events.Event");
    // A status of 0 is one as well.
    let event_data = match event.exit {
        Some(status) => event_data.with("ContainerExitCode", status),
        None => event_data.with_hidden("ContainerExitCode", Data::Nil),
    };
    event_data
        .with_omitted("ID", "ID", &event.id)
        .with_omitted("Image", "Image", event.image.clone().unwrap_or_default())
        .with_omitted("Name", "Name", &event.name)
        .with("Status", &event.action)
        .with_as("Time", "time", event.time.div_euclid(time::SECOND))
        .with_as("TimeNano", "timeNano", event.time)
        .with("Type", event.kind.as_str())
        .with_omitted(
            "HealthStatus",
            "health_status",
            event.health.as_ref().map_or("", |health| health.status.as_str()),
        )
        .with_omitted("Error", "Error", event.error.clone().unwrap_or_default())
        .with_hidden("ContainerInspectData", event.inspect.clone().unwrap_or_default())
        .with("Attributes", Data::map_or_nil(&event.labels))
        .with_hidden("Network", "")
        .with_hidden("PodID", "")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_event_is_a_line_with_its_image_its_name_and_its_labels() {
        let event = Event {
            id: "0123456789abcdef".into(),
            name: "c1".into(),
            image: Some("img:latest".into()),
            labels: BTreeMap::from([("x".into(), "y".into())]),
            ..Event::of(Kind::Container, "create", 1)
        };
        assert!(line(&event, false).ends_with(" container create 0123456789ab (image=img:latest, name=c1, x=y)"));
        let image = Event { kind: Kind::Image, action: "pull".into(), ..event };
        assert!(line(&image, true).ends_with(" image pull 0123456789abcdef c1"));
    }
}

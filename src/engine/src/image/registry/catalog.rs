// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a registry has, and whether it knows the user.

use reqwest::header::{HeaderValue, LINK};
use reqwest::{Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::request::Request;
use super::{Reason, RegistryError, Repository, read};
use crate::image::reference::DOCKER_HUB;

/// The longest answer that is read.
const ANSWER_MAX: u64 = 16 << 20;

/// So many pages of an answer are asked for: a registry could go on for ever.
const PAGES_MAX: usize = 1000;

/// A repository that a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SearchResult {
    /// Its name, without the registry.
    pub name: String,
    /// What its owner says of it.
    #[serde(deserialize_with = "text")]
    pub description: String,
    /// How many people like it.
    pub star_count: u64,
    /// Whether the registry itself vouches for it.
    pub is_official: bool,
    /// Whether it is built by the registry.
    pub is_automated: bool,
}

fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    results: Vec<SearchResult>,
}

#[derive(Deserialize)]
struct Catalog {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Repository {
    /// Whether the registry knows the user.
    pub(crate) async fn log_in(&self) -> Result<(), RegistryError> {
        match self.send(&Request::get("/v2/", "*/*")).await? {
            Ok(_) => Ok(()),
            Err(reason) => {
                let reason = match reason {
                    Reason::Refused(words) if words.starts_with("unauthorized") => {
                        Reason::Refused("invalid username/password".to_owned())
                    }
                    Reason::Token(words) if words.starts_with("invalid username/password") => {
                        Reason::Refused("invalid username/password".to_owned())
                    }
                    reason => reason,
                };
                Err(RegistryError::Login { registry: self.0.place.registry().to_owned(), source: reason.into() })
            }
        }
    }

    /// The repository's tags.
    pub(crate) async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let failed = |source: Reason| RegistryError::Catalog {
            doing: "fetching tags list of",
            registry: self.0.place.repository_name(),
            source: source.into(),
        };
        let mut all = Vec::new();
        let mut path = Some("tags/list".to_owned());
        for _ in 0..PAGES_MAX {
            let Some(now) = path.take() else { break };
            let (page, next): (Tags, _) = self.page(&now).await?.map_err(failed)?;
            all.extend(page.tags.unwrap_or_default());
            // One that names itself would go on for ever.
            path = next.filter(|next| *next != now);
        }
        Ok(all)
    }

    /// What the registry has whose name holds `term`: by its search, if it has one, or else from its catalogue.
    pub(crate) async fn search(&self, term: &str, limit: usize) -> Result<Vec<SearchResult>, RegistryError> {
        let failed = |source: Reason| RegistryError::Catalog {
            doing: "couldn't search registry",
            registry: format!("{:?}", self.0.place.registry()),
            source: source.into(),
        };
        let mut query = Url::parse("http://x").map_err(|error| failed(Reason::Connection(error.to_string())))?;
        query.query_pairs_mut().append_pair("q", term).append_pair("n", &limit.to_string());
        // Docker's index of what it has is elsewhere than what it has.
        let index = if self.0.place.registry() == DOCKER_HUB { "https://index.docker.io" } else { "" };
        let path = format!("{index}/v1/search?{}", query.query().unwrap_or_default());
        if let Ok(response) = self.send(&Request::get(path, "application/json")).await?
            && let Ok(Found { results }) = json(response).await
        {
            return Ok(results);
        }
        let mut found = Vec::new();
        let mut path = Some("/v2/_catalog?n=1000".to_owned());
        for _ in 0..PAGES_MAX {
            let Some(now) = path.take() else { break };
            let (page, next): (Catalog, _) = self.page(&now).await?.map_err(failed)?;
            let names = page.repositories.unwrap_or_default().into_iter();
            found.extend(
                names.filter(|name| name.contains(term)).map(|name| SearchResult { name, ..Default::default() }),
            );
            if found.len() >= limit {
                break;
            }
            path = next;
        }
        Ok(found)
    }

    /// A page of an answer, and where the next one is.
    async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Result<(T, Option<String>), Reason>, RegistryError> {
        Ok(match self.send(&Request::get(path, "application/json")).await? {
            Err(reason) => Err(reason),
            Ok(response) => {
                let next = next(&response);
                json(response).await.map(|page| (page, next))
            }
        })
    }
}

async fn json<T: DeserializeOwned>(response: Response) -> Result<T, Reason> {
    let body = read(response, ANSWER_MAX).await?;
    serde_json::from_slice(&body)
        .map_err(|error| Reason::Connection(format!("the answer is not what it should be: {error}")))
}

/// Where the next page is (RFC 5988), below the registry; nothing when this is the last, or when it leads elsewhere.
fn next(response: &Response) -> Option<String> {
    let link = response.headers().get(LINK).map(HeaderValue::to_str)?.ok()?;
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    if !rest.replace(['"', ' '], "").contains("rel=next") {
        return None;
    }
    let url = response.url().join(target).ok()?;
    (url.host_str() == response.url().host_str()).then(|| match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

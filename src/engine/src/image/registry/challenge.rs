// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a registry wants to see before it answers: a password (RFC 7617), or a token that someone else gives (Docker Registry v2
//! authentication via central service, and its OAuth 2 form for identity tokens).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode};
use serde::Deserialize;

use super::{Reason, read, refusal, safe_url, words};
use crate::config::auth::Credentials;
use crate::image::reference::Reference;

/// Tokens of real registries have a few kilobytes.
const TOKEN_MAX: u64 = 1 << 20;

/// Who was asked, and what can be said.
pub(super) struct Asked<'a> {
    pub(super) client: &'a Client,
    pub(super) place: &'a Reference,
    pub(super) credentials: Option<&'a Credentials>,
    pub(super) insecure: bool,
}

/// Who gives tokens, and for what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bearer {
    realm: String,
    service: Option<String>,
    scope: Option<String>,
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Bearer(Bearer),
    Basic,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Asked<'_> {
    /// The `Authorization` that answers `WWW-Authenticate` headers; nothing when there is nothing to say.
    pub(super) async fn answer(&self, headers: &[HeaderValue]) -> Result<Option<HeaderValue>, Reason> {
        match (strongest(headers), self.credentials) {
            (Some(Challenge::Bearer(bearer)), _) => self.token(&bearer).await.map(Some),
            (Some(Challenge::Basic), Some(Credentials::Password { user, password })) => {
                secret(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn token(&self, bearer: &Bearer) -> Result<HeaderValue, Reason> {
        // Where nobody has a password, nothing is lost in the clear.
        let mut url = safe_url(&bearer.realm, self.insecure || self.credentials.is_none())?;
        let scope = bearer.scope.clone().unwrap_or_else(|| format!("repository:{}:pull", self.place.repository()));
        let request = match self.credentials {
            Some(Credentials::Identity(token)) => {
                let mut form = url.clone();
                form.query_pairs_mut()
                    .clear()
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("service", bearer.service.as_deref().unwrap_or_default())
                    .append_pair("client_id", "haulout")
                    .append_pair("scope", &scope)
                    .append_pair("refresh_token", token);
                let body = form.query().unwrap_or_default().to_owned();
                self.client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
            }
            credentials => {
                if let Some(service) = &bearer.service {
                    url.query_pairs_mut().append_pair("service", service);
                }
                url.query_pairs_mut().append_pair("scope", &scope);
                match credentials {
                    Some(Credentials::Password { user, password }) => {
                        url.query_pairs_mut().append_pair("account", user);
                        self.client.get(url).basic_auth(user, Some(password))
                    }
                    _ => self.client.get(url),
                }
            }
        };
        let response = request.send().await.map_err(|error| Reason::Token(words(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Reason::Token(format!("invalid username/password: {}", refusal(response).await)));
            }
            _ => return Err(Reason::Token(refusal(response).await.to_string())),
        }
        let body = read(response, TOKEN_MAX).await?;
        let token: Token = serde_json::from_slice(&body)
            .map_err(|_| Reason::Token("the answer is not what a token comes in".to_owned()))?;
        match token.token.or(token.access_token).filter(|token| !token.is_empty()) {
            Some(token) => secret(&format!("Bearer {token}")),
            None => Err(Reason::Token("the answer holds no token".to_owned())),
        }
    }
}

/// A header that is never shown.
fn secret(text: &str) -> Result<HeaderValue, Reason> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Reason::Token("it holds what cannot be sent in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A token rather than a password, where there is a choice.
fn strongest(headers: &[HeaderValue]) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        let Some(challenges) = header.to_str().ok().and_then(|text| http_auth::parse_challenges(text).ok()) else {
            continue;
        };
        for challenge in challenges {
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let parameter = |wanted: &str| {
                    let found = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if let Some(realm) = parameter("realm") {
                    let (service, scope) = (parameter("service"), parameter("scope"));
                    return Some(Challenge::Bearer(Bearer { realm, service, scope }));
                }
            } else if challenge.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[&str]) -> Option<Challenge> {
        strongest(&headers.iter().map(|text| HeaderValue::from_str(text).unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let bearer = r#"Bearer realm="https://auth.io/token",service="reg.io",scope="repository:a/b:pull""#;
        let expected = Some(Challenge::Bearer(Bearer {
            realm: "https://auth.io/token".into(),
            service: Some("reg.io".into()),
            scope: Some("repository:a/b:pull".into()),
        }));
        assert_eq!(of(&[bearer]), expected);
        assert_eq!(of(&[r#"Basic realm="x""#, bearer]), expected);
        assert_eq!(of(&[&format!("{bearer}, Basic realm=x")]), expected);
        assert_eq!(of(&["basic realm=x"]), Some(Challenge::Basic));
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in ["", "Bearer", "Bearer service=x", "Negotiate", ",,,", "Bearer realm=\"", "\u{e9}"] {
            assert_eq!(of(&[text]), None, "{text}");
        }
    }
}

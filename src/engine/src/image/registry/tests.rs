// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The client against registries that behave badly, each a socket that says what it is told to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};

use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What a registry does with one request.
enum Answer {
    /// Status, headers, body.
    Says(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The body's length as announced, and what of it comes before the connection ends.
    Breaks(usize, Vec<u8>),
    /// The same, and then nothing for ever.
    Stalls(usize, Vec<u8>),
    /// Nothing: the connection ends.
    HangsUp,
}

/// A registry that gives its answers in turn, the last for ever, and remembers what it was asked.
struct Registry {
    host: String,
    asked: Arc<StdMutex<Vec<String>>>,
    connected: Arc<AtomicUsize>,
}

impl Registry {
    async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(StdMutex::new(Vec::new()));
        let answers = Arc::new(StdMutex::new(VecDeque::from(answers)));
        let seen = Arc::clone(&asked);
        let connected = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connected);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
                tokio::spawn(serve(stream, answers, seen));
            }
        });
        Self { host, asked, connected }
    }

    fn repository(&self, access: Access) -> Repository {
        let endpoint = Endpoint { reference: format!("{}/some/app:1", self.host).parse().unwrap(), insecure: true };
        Repository::open_with(&endpoint, access, Duration::from_millis(300)).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One connection, one request: what is not HTTP (somebody trying TLS) is not answered.
async fn serve(mut stream: TcpStream, answers: Arc<StdMutex<VecDeque<Answer>>>, seen: Arc<StdMutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if request.is_empty() && !byte.is_ascii_alphabetic() => return,
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    seen.lock().unwrap().push(String::from_utf8(request).unwrap());
    let answer = {
        let mut answers = answers.lock().unwrap();
        match (answers.len(), answers.front_mut()) {
            (1, Some(Answer::Says(status, headers, body))) => Answer::Says(*status, headers.clone(), body.clone()),
            _ => answers.pop_front().unwrap(),
        }
    };
    let (head, body, stall) = match answer {
        Answer::Says(status, headers, body) => {
            let length = ("Content-Length", body.len().to_string());
            let lines = headers.into_iter().chain([length]).map(|(name, value)| format!("{name}: {value}\r\n"));
            (format!("HTTP/1.1 {status} Said\r\n{}", lines.collect::<Vec<_>>().concat()), body, false)
        }
        Answer::Breaks(length, body) => (format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n"), body, false),
        Answer::Stalls(length, body) => (format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n"), body, true),
        Answer::HangsUp => return,
    };
    let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let _ = stream.flush().await;
    if stall {
        std::future::pending::<()>().await;
    }
}

fn says(status: u16, body: &str) -> Answer {
    Answer::Says(status, Vec::new(), body.as_bytes().to_vec())
}

/// An error and its causes as the command line shows them.
fn words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", words(source)),
        None => error.to_string(),
    }
}

async fn manifest(answers: Vec<Answer>) -> Result<Fetched, String> {
    let registry = Registry::start(answers).await;
    let host = registry.host.clone();
    let answer = registry.repository(Access::default()).wanted().await;
    answer.map_err(|error| words(&error).replace(&host, "HOST"))
}

async fn blob(answer: Answer, content: &str) -> Result<Vec<u8>, String> {
    let registry = Registry::start(vec![answer]).await;
    let repository = registry.repository(Access::default());
    let blob = Digest::of(content.as_bytes());
    let mut bytes = repository.blob(blob, content.len() as u64).await.map_err(|error| words(&error))?;
    let mut all = Vec::new();
    while let Some(chunk) = bytes.next().await {
        all.extend(chunk.map_err(|error| words(&error).replace(&blob.to_string(), "BLOB"))?);
    }
    Ok(all)
}

#[tokio::test]
async fn a_refusal_is_told_in_podman_s_words() {
    let error = |code: &str, message: &str| format!(r#"{{"errors": [{{"code": "{code}", "message": "{message}"}}]}}"#);
    let place = "reading manifest 1 in HOST/some/app";
    for (status, body, expected) in [
        (404, error("MANIFEST_UNKNOWN", "manifest unknown"), "manifest unknown"),
        (404, error("MANIFEST_UNKNOWN", "no such thing"), "manifest unknown: no such thing"),
        (404, error("NAME_UNKNOWN", "repository name not known to registry"), "name unknown"),
        (403, error("DENIED", "requested access to the resource is denied"), "denied"),
        (
            429,
            error("TOOMANYREQUESTS", "You have reached your pull rate limit."),
            "toomanyrequests: You have reached your pull rate limit.",
        ),
        (401, error("UNAUTHORIZED", "authentication required"), "unauthorized"),
        (401, String::new(), "unauthorized"),
        (404, "nothing here".into(), "StatusCode: 404, \"nothing here\""),
        (403, "a\u{1b}[31m\nb".into(), "StatusCode: 403, \"a [31m b\""),
        (500, error("UNKNOWN", "unknown error"), "received unexpected HTTP status: 500 Internal Server Error"),
    ] {
        assert_eq!(manifest(vec![says(status, &body)]).await.unwrap_err(), format!("{place}: {expected}"), "{body}");
    }
}

#[tokio::test]
async fn repositories_that_share_connections_find_out_once_how_a_registry_is_spoken_to() {
    let registry = Registry::start(vec![says(200, "{}")]).await;
    let connections = Connections::default();
    for name in ["a", "b", "c"] {
        let reference = format!("{}/some/{name}:1", registry.host).parse().unwrap();
        let repository = connections.open(&Endpoint { reference, insecure: true }, Access::default()).unwrap();
        repository.wanted().await.unwrap();
    }
    assert_eq!(registry.asked().len(), 3);
    // One of HTTPS, in vain, for all of them.
    assert_eq!(registry.connected.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn nobody_there_is_told_with_what_was_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    for insecure in [false, true] {
        let endpoint = Endpoint { reference: format!("{host}/app").parse().unwrap(), insecure };
        let error = Repository::open(&endpoint, Access::default()).unwrap().wanted().await.unwrap_err();
        let scheme = if insecure { "http" } else { "https" };
        assert_eq!(
            words(&error),
            format!(
                "pinging container registry {host}: Get \"{scheme}://{host}/v2/app/manifests/latest\": connection refused"
            )
        );
    }
}

#[tokio::test]
async fn one_that_was_there_and_hangs_up_is_told_with_the_request_that_came_to_nothing() {
    let registry = Registry::start(vec![says(200, "{}"), Answer::HangsUp, Answer::HangsUp]).await;
    let repository = registry.repository(Access::default());
    repository.wanted().await.unwrap();
    let session = Session(format!("http://{}/v2/some/app/uploads/1", registry.host));
    let error = repository.append(&session, futures_util::stream::empty()).await.unwrap_err();
    let expected = format!("Patch \"http://{}/v2/some/app/uploads/1\": ", registry.host);
    assert!(words(&error).starts_with(&expected), "{}", words(&error));
    assert!(error.may_pass());
}

#[tokio::test]
async fn http_is_only_spoken_where_that_is_allowed() {
    let registry = Registry::start(vec![says(200, "{}")]).await;
    let endpoint = Endpoint { reference: format!("{}/app", registry.host).parse().unwrap(), insecure: false };
    assert!(Repository::open(&endpoint, Access::default()).unwrap().wanted().await.is_err());
    assert!(registry.asked().is_empty());
    registry.repository(Access::default()).wanted().await.unwrap();
    assert_eq!(registry.asked().len(), 1);
}

#[tokio::test]
async fn a_manifest_of_another_digest_is_refused() {
    let registry = Registry::start(vec![says(200, "{}")]).await;
    let digest = Digest::of(b"[]");
    let endpoint = Endpoint { reference: format!("{}/app@{digest}", registry.host).parse().unwrap(), insecure: true };
    let error = Repository::open(&endpoint, Access::default()).unwrap().wanted().await.unwrap_err();
    assert!(words(&error).ends_with(&format!("Digest did not match, expected {digest}, got {}", Digest::of(b"{}"))));

    let header = vec![("Docker-Content-Digest", digest.to_string())];
    let error = manifest(vec![Answer::Says(200, header, b"{}".to_vec())]).await.unwrap_err();
    assert!(error.contains("the registry calls it"), "{error}");
}

#[tokio::test]
async fn an_endless_manifest_is_not_read() {
    let long = "x".repeat(usize::try_from(DOCUMENT_MAX).unwrap() + 1);
    let error = manifest(vec![says(200, &long)]).await.unwrap_err();
    assert!(error.ends_with("exceeded maximum allowed size of 4194304 bytes"), "{error}");
    let error = manifest(vec![Answer::Breaks(usize::MAX >> 1, Vec::new())]).await.unwrap_err();
    assert!(error.ends_with("exceeded maximum allowed size of 4194304 bytes"), "{error}");
}

#[tokio::test]
async fn the_right_blob_arrives_and_no_other() {
    assert_eq!(blob(says(200, "content"), "content").await.unwrap(), b"content");
    let error = blob(says(200, "c0ntent"), "content").await.unwrap_err();
    assert!(error.contains("reading blob BLOB in 127.0.0.1:") && error.contains("Digest did not match"), "{error}");
    let error = blob(says(200, "contents"), "content").await.unwrap_err();
    assert!(error.ends_with("it is 8 bytes long, but its descriptor says 7"), "{error}");
    let error = blob(says(200, "conten"), "content").await.unwrap_err();
    assert!(error.ends_with("it is 6 bytes long, but its descriptor says 7"), "{error}");
    let error = blob(says(404, r#"{"errors": [{"code": "BLOB_UNKNOWN"}]}"#), "content").await.unwrap_err();
    assert!(error.ends_with("blob unknown"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_or_stalls_ends_the_blob_with_an_error() {
    let error = blob(Answer::Breaks(7, b"con".to_vec()), "content").await.unwrap_err();
    assert!(error.starts_with("reading blob BLOB in 127.0.0.1:"), "{error}");
    let error = blob(Answer::Stalls(7, b"con".to_vec()), "content").await.unwrap_err();
    assert!(error.ends_with("timed out: nothing came for too long"), "{error}");
}

#[tokio::test]
async fn a_password_is_sent_when_it_is_asked_for_and_only_then() {
    let challenge = vec![("WWW-Authenticate", "Basic realm=\"x\"".to_owned())];
    let registry = Registry::start(vec![Answer::Says(401, challenge.clone(), Vec::new()), says(200, "{}")]).await;
    let credentials = Credentials::Password { user: "u".into(), password: "p:w".into() };
    let access = Access { credentials: Some(credentials), certificates: None };
    registry.repository(access).wanted().await.unwrap();
    let asked = registry.asked();
    assert!(!asked[0].to_lowercase().contains("authorization"));
    assert!(asked[1].contains("Basic dTpwOnc="), "{}", asked[1]);

    let registry = Registry::start(vec![Answer::Says(401, challenge, Vec::new())]).await;
    let error = registry.repository(Access::default()).wanted().await.unwrap_err();
    assert!(words(&error).ends_with("unauthorized"));
    assert_eq!(registry.asked().len(), 1);
}

#[tokio::test]
async fn a_token_is_fetched_for_the_repository_and_used_from_then_on() {
    let tokens = Registry::start(vec![says(200, r#"{"token": "t0ken", "expires_in": 60}"#)]).await;
    let bearer =
        format!("Bearer realm=\"http://{}/token\",service=\"reg\",scope=\"repository:some/app:pull\"", tokens.host);
    let challenge = vec![("WWW-Authenticate", bearer)];
    let registry = Registry::start(vec![Answer::Says(401, challenge, Vec::new()), says(200, "{}")]).await;
    let credentials = Credentials::Password { user: "u".into(), password: "p".into() };
    let repository = registry.repository(Access { credentials: Some(credentials), certificates: None });
    repository.wanted().await.unwrap();
    repository.wanted().await.unwrap();
    assert_eq!(tokens.asked().len(), 1);
    let request = tokens.asked().remove(0);
    assert!(request.starts_with("GET /token?service=reg&scope=repository%3Asome%2Fapp%3Apull&account=u "), "{request}");
    assert!(request.contains("Basic dTpw"));
    assert_eq!(registry.asked().iter().filter(|asked| asked.contains("Bearer t0ken")).count(), 2);
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let tokens = Registry::start(vec![says(200, r#"{"access_token": "t0ken"}"#)]).await;
    let challenge = vec![("WWW-Authenticate", format!("Bearer realm=\"http://{}/token\"", tokens.host))];
    let registry = Registry::start(vec![Answer::Says(401, challenge, Vec::new()), says(200, "{}")]).await;
    let access = Access { credentials: Some(Credentials::Identity("refresh".into())), certificates: None };
    registry.repository(access).wanted().await.unwrap();
    assert!(tokens.asked()[0].starts_with("POST /token "));
}

#[tokio::test]
async fn a_wrong_password_and_a_broken_token_are_told_apart() {
    for (answer, expected) in [
        (
            says(401, r#"{"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}"#),
            "unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password",
        ),
        (says(200, "{}"), "unable to retrieve auth token: the answer holds no token"),
        (says(200, "token"), "unable to retrieve auth token: the answer is not what a token comes in"),
        (says(200, r#"{"token": "a\nb"}"#), "unable to retrieve auth token: it holds what cannot be sent in a header"),
    ] {
        let tokens = Registry::start(vec![answer]).await;
        let challenge = vec![("WWW-Authenticate", format!("Bearer realm=\"http://{}/token\"", tokens.host))];
        let error = manifest(vec![Answer::Says(401, challenge, Vec::new())]).await.unwrap_err();
        assert!(error.ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_has_expired_is_fetched_anew() {
    let tokens = Registry::start(vec![says(200, r#"{"token": "t0ken"}"#)]).await;
    let challenge = || vec![("WWW-Authenticate", format!("Bearer realm=\"http://{}/token\"", tokens.host))];
    let registry = Registry::start(vec![
        Answer::Says(401, challenge(), Vec::new()),
        says(200, "{}"),
        Answer::Says(401, challenge(), Vec::new()),
        says(200, "{}"),
    ])
    .await;
    let repository = registry.repository(Access::default());
    repository.wanted().await.unwrap();
    repository.wanted().await.unwrap();
    assert_eq!(tokens.asked().len(), 2);
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_password() {
    let elsewhere = Registry::start(vec![says(200, "content")]).await;
    let challenge = vec![("WWW-Authenticate", "Basic realm=\"x\"".to_owned())];
    let redirect = vec![("Location", format!("http://{}/blob", elsewhere.host.replace("127.0.0.1", "localhost")))];
    let registry =
        Registry::start(vec![Answer::Says(401, challenge, Vec::new()), Answer::Says(307, redirect, Vec::new())]).await;
    let credentials = Credentials::Password { user: "u".into(), password: "p".into() };
    let repository = registry.repository(Access { credentials: Some(credentials), certificates: None });
    let bytes: Vec<_> = repository.blob(Digest::of(b"content"), 7).await.unwrap().collect().await;
    assert!(bytes.iter().all(Result::is_ok));
    assert!(registry.asked()[1].contains("Basic dTpw"));
    assert!(!elsewhere.asked()[0].to_lowercase().contains("authorization"));
}

#[test]
fn only_what_is_encrypted_is_safe() {
    assert!(safe_url("https://a.io/token", false).is_ok());
    assert!(safe_url("http://a.io/token", true).is_ok());
    for bad in ["http://a.io/token", "ftp://a.io", "/token", "", "file:///etc/passwd"] {
        assert!(safe_url(bad, false).is_err(), "{bad}");
    }
}

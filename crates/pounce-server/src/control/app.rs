//! The control socket's requests: `GET` shows, `POST` changes, and everything is answered in JSON.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use pounce_asgi::{RequestHead, ResponseHead};
use serde_json::{Value, json};

use super::{Subject, view};
use crate::handle::{Order, ServerState};
use crate::side_server::Answer;

/// How long to wait for the answers of all workers: one whose process is stopped gives none.
const PATIENCE: Duration = Duration::from_secs(3);

/// The most workers that may be asked for, as with `--workers`.
const MOST_WORKERS: usize = 1024;

/// Levels of the log.
const LEVELS: &str = "critical, error, warning, info, debug or trace";

/// A status and a body.
type Answered = (u16, Value);

/// The function behind the control socket.
pub(super) fn answers(subject: Subject) -> impl Fn(&RequestHead) -> Pin<Box<dyn Future<Output = Answer>>> {
    let subject = Rc::new(subject);
    move |head| {
        let subject = Rc::clone(&subject);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (method, path, query) = (text(head.method()), text(head.raw_path()), text(head.query()));
        Box::pin(async move {
            let (status, body) = answer(&subject, &method, &path, &query).await;
            let mut head = ResponseHead { status, ..ResponseHead::default() };
            head.fields.push(b"content-type", b"application/json");
            (head, format!("{body}\n").into_bytes())
        })
    }
}

async fn answer(subject: &Subject, method: &str, path: &str, query: &str) -> Answered {
    match (method, path) {
        ("GET", "/status") => (200, view::status(subject)),
        ("GET", "/workers") => (200, view::workers(subject)),
        ("GET", "/requests") => (200, view::requests(subject)),
        ("GET", "/stack") => (200, stacks(subject).await),
        ("POST", "/reload") => reload(subject).await,
        ("POST", "/scale") => scale(subject, value(query, "workers")),
        ("POST", "/drain") => set_ready(subject, false),
        ("POST", "/ready") => set_ready(subject, true),
        ("POST", "/stop") => {
            (subject.stop)();
            (202, json!({ "stopping": true }))
        }
        ("POST", "/log-level") => set_log_level(subject, value(query, "level")),
        (_, "/status" | "/workers" | "/requests" | "/stack") => refused(405, "use GET"),
        (_, "/reload" | "/scale" | "/drain" | "/ready" | "/stop" | "/log-level") => refused(405, "use POST"),
        _ => refused(404, "there is no such resource"),
    }
}

fn refused(status: u16, why: impl Into<String>) -> Answered {
    (status, json!({ "error": why.into() }))
}

/// The value of a name in a query.
fn value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// While it lives, no other reload is ordered here.
struct Ordered<'s>(&'s Cell<bool>);

impl<'s> Ordered<'s> {
    fn begin(is_reloading: &'s Cell<bool>) -> Option<Self> {
        (!is_reloading.replace(true)).then_some(Self(is_reloading))
    }
}

impl Drop for Ordered<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Reloads, and waits until that has ended.
async fn reload(subject: &Subject) -> Answered {
    if subject.is_app_given {
        return refused(
            409,
            "the application was given as an object, not by its name: it cannot be imported again",
        );
    }
    if subject.handle.is_asked_to_stop() {
        return refused(409, "the server is stopping");
    }
    if !matches!(subject.handle.state(), ServerState::Serving(_)) {
        return refused(409, "the server has not started yet");
    }
    let mut reloads = subject.reloads.clone();
    let ended = reloads.borrow().ended;
    let Some(_ordered) = Ordered::begin(&subject.is_reloading).filter(|_| !reloads.borrow().is_under_way)
    else {
        return refused(409, "a reload is under way already; ask again when it has ended");
    };
    subject.handle.order(Order::Restart);
    tokio::select! {
        found = reloads.wait_for(|reloads| reloads.ended > ended) => match found {
            Ok(reloads) => match &reloads.failure {
                None => (200, json!({ "reloads": reloads.ended })),
                Some(why) => refused(500, why.as_str()),
            },
            Err(_) => refused(409, "the server is stopping"),
        },
        () = subject.handle.stopped() => refused(409, "the server is stopping"),
    }
}

fn scale(subject: &Subject, workers: Option<&str>) -> Answered {
    let count =
        workers.and_then(|workers| workers.parse().ok()).filter(|count| (1..=MOST_WORKERS).contains(count));
    let Some(count) = count else {
        return refused(400, format!("workers must be a number from 1 to {MOST_WORKERS}"));
    };
    if !subject.has_supervisor {
        let why = "a server of one worker has no supervisor to add others; start it with --workers 2 or more";
        return refused(409, why);
    }
    subject.handle.order(Order::ScaleTo(count));
    (202, json!({ "workers": count }))
}

fn set_ready(subject: &Subject, is_ready: bool) -> Answered {
    subject.rows.set_ready(is_ready);
    let state = if is_ready { "ready" } else { "not ready, and serving on" };
    tracing::info!(target: "pounce", "Health checks say that the server is {state}");
    (200, json!({ "ready": is_ready }))
}

fn set_log_level(subject: &Subject, level: Option<&str>) -> Answered {
    let Some(found) = level.and_then(|level| serde_json::from_value(json!(level)).ok()) else {
        return refused(400, format!("level must be {LEVELS}"));
    };
    subject.handle.order(Order::SetLogLevel(found));
    (200, json!({ "level": level }))
}

/// What each worker does at this moment.
async fn stacks(subject: &Subject) -> Value {
    if !subject.has_processes {
        return subject.watchdog.stacks().into_iter().map(|stack| json!({ "stack": stack })).collect();
    }
    let expected = subject.rows.workers_now().len();
    let mut answers = subject.answers.ask();
    subject.handle.order(Order::ShowStacks);
    let mut found = Vec::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while found.len() < expected {
        match tokio::time::timeout_at(deadline, answers.recv()).await {
            Ok(Some(answer)) => found.push(answer),
            _ => break,
        }
    }
    found.sort();
    found.into_iter().map(|(slot, stack)| json!({ "slot": slot, "stack": stack })).collect()
}

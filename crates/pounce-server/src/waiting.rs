//! Logs once what a draining worker waits for, if it does not end at once.

use std::collections::HashMap;
use std::time::Duration;

use pounce_asgi::App;
use pounce_supervisor::Command;
use pounce_worker::{OpenRequest, Worker};

/// How long a worker may drain before it logs what it waits for.
const AT_ONCE: Duration = Duration::from_millis(500);

/// How many requests are named.
const NAMED: usize = 3;

/// How much of a path is shown.
const PATH: usize = 80;

/// Logs the requests still open a moment after `worker` got `command`, if it may wait for longer than that.
pub(crate) async fn name_open_requests<A: App>(worker: &Worker<A>, command: Command, limit: Duration) {
    if limit <= AT_ONCE {
        return;
    }
    tokio::time::sleep(AT_ONCE).await;
    let open = worker.open_requests().await;
    if !open.is_empty() {
        let what = match command {
            Command::Shutdown => "Stopping",
            Command::Drain => "Stopping a worker",
            Command::ReloadDrain => "Replacing a worker",
        };
        tracing::info!(target: "pounce", "{what}: {}", describe(&open, limit));
    }
}

/// `open` in one line. Requests for the same path are named together.
fn describe(open: &[OpenRequest], limit: Duration) -> String {
    let mut groups: Vec<(&OpenRequest, usize)> = Vec::new();
    let mut places = HashMap::new();
    for request in open {
        let place = *places.entry((&request.method, &request.path)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => groups.push((request, 1)),
        }
    }
    let count = match open.len() {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    };
    let named = groups.iter().take(NAMED).map(|(longest, count)| {
        let path = match &longest.path {
            path if path.len() > PATH => format!("{}...", &path[..PATH]),
            path => path.clone(),
        };
        let open_for = span(longest.open_for);
        match count {
            1 => format!("{} {path}, open for {open_for}", longest.method),
            _ => format!("{count} of {} {path}, open for up to {open_for}", longest.method),
        }
    });
    let mut named: Vec<_> = named.collect();
    let more: usize = groups.iter().skip(NAMED).map(|(_, count)| count).sum();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    format!("waiting up to {} for {count} ({})", span(limit), named.join("; "))
}

/// A time in readable form.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..10 if time.subsec_millis() >= 100 => {
            format!("{seconds}.{} s", time.subsec_millis() / 100)
        }
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, open_for: Duration) -> OpenRequest {
        OpenRequest { method: "GET".to_owned(), path: path.to_owned(), open_for }
    }

    #[test]
    fn one_request_is_named_and_of_many_the_first() {
        let limit = Duration::from_secs(10);
        let mut open = vec![request("/events", Duration::from_millis(34_900))];
        assert_eq!(describe(&open, limit), "waiting up to 10 s for 1 request (GET /events, open for 34 s)");
        for path in ["/poll", "/poll", "/a", "/b", "/b"] {
            open.push(request(path, Duration::from_millis(750)));
        }
        assert_eq!(
            describe(&open, limit),
            "waiting up to 10 s for 6 requests (GET /events, open for 34 s; 2 of GET /poll, open for up to 0.7 s; \
             GET /a, open for 0.7 s; and 2 more)"
        );
    }

    #[test]
    fn long_times_and_long_paths_are_made_short() {
        let open = [request(&"/x".repeat(100), Duration::from_secs(3 * 3600))];
        let text = describe(&open, Duration::from_secs(600));
        assert_eq!(
            text,
            format!("waiting up to 10 min for 1 request (GET {}..., open for 3 h)", "/x".repeat(40))
        );
    }
}

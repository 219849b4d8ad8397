//! Django Channels, over Redis and over its in-memory layer, with consumers of both kinds.

use crate::setup::{Setup, in_every_setup};
use pounce_tests::notes::token;
use pounce_tests::python::has;
use pounce_tests::services::Redis;
use pounce_tests::{Options, Server, Transport, WebSocket};
use serde_json::json;

in_every_setup! {
    clients_chat_in_a_group_over_redis,
    clients_chat_over_redis_with_a_consumer_of_plain_functions,
    consumers_answer_without_a_layer,
    consumers_of_plain_functions_answer_without_a_layer,
    views_speak_to_a_group_over_redis,
}

#[test]
fn clients_chat_in_a_group_in_memory() {
    if let Some(server) = start(Setup::OneWorker) {
        chat(&server, "chat");
    }
}

#[test]
fn clients_chat_in_memory_with_a_consumer_of_plain_functions() {
    if let Some(server) = start(Setup::OneWorker) {
        chat(&server, "sync-chat");
    }
}

fn start_with(setup: Setup, environment: &[(&str, &str)]) -> Option<Server> {
    (has("django") && has("channels")).then(|| {
        setup.start_with(Options::app("services.with_channels:app").with("--lifespan", "off"), environment)
    })
}

fn start(setup: Setup) -> Option<Server> {
    start_with(setup, &[("CHANNEL_LAYER", "channels.layers.InMemoryChannelLayer")])
}

fn start_over_redis(setup: Setup) -> Option<Server> {
    let redis = Redis::shared().filter(|_| has("channels_redis.core"))?;
    // The core layer refuses a second event loop in one process; the pubsub layer keeps them apart.
    let layer = match setup {
        Setup::TwoThreads => "channels_redis.pubsub.RedisPubSubChannelLayer",
        Setup::OneWorker | Setup::TwoProcesses => "channels_redis.core.RedisChannelLayer",
    };
    start_with(setup, &[("CHANNEL_LAYER", layer), ("REDIS_URL", &redis.url())])
}

fn connect(server: &Server, target: &str) -> WebSocket {
    Transport::ClearHttp1.connect(server, target)
}

/// Two clients in a room, and one in another room that gets none of their messages.
fn chat(server: &Server, consumer: &str) {
    let room = token();
    let mut first = connect(server, &format!("/{consumer}/{room}"));
    first.expect_text("welcome");
    // A single client: only the layer's answers wake the loop.
    for number in 0..10 {
        first.send_text(format!("alone {number}")).expect_text(&format!("alone {number}"));
    }
    let mut second = connect(server, &format!("/{consumer}/{room}"));
    second.expect_text("welcome");
    let mut other = connect(server, &format!("/{consumer}/other-{room}"));
    other.expect_text("welcome");
    for number in 0..10 {
        let (text, answer) = (format!("first {number}"), format!("second {number}"));
        first.send_text(&text).expect_text(&text);
        second.expect_text(&text);
        second.send_text(&answer).expect_text(&answer);
        first.expect_text(&answer);
    }
    second.close(1000, "");
    first.expect_text("somebody left with 1000");
    other.send_text("only here").expect_text("only here");
    says_nothing(server);
}

/// Nothing failed on the way.
fn says_nothing(server: &Server) {
    let stderr = server.stderr();
    for word in ["Traceback", "panicked", "Warning"] {
        assert!(!stderr.contains(word), "{word}: {stderr}");
    }
}

fn clients_chat_in_a_group_over_redis(setup: Setup) {
    if let Some(server) = start_over_redis(setup) {
        chat(&server, "chat");
    }
}

fn clients_chat_over_redis_with_a_consumer_of_plain_functions(setup: Setup) {
    let Some(server) = start_over_redis(setup) else { return };
    chat(&server, "sync-chat");
    let mut leaving = connect(&server, "/sync-chat/leaving");
    leaving.expect_text("welcome").send_text("bye");
    assert_eq!(leaving.closed_by_server(3001), "as asked");
    says_nothing(&server);
}

fn consumers_answer_without_a_layer(setup: Setup) {
    if let Some(server) = start(setup) {
        doubles(&server, "/double");
    }
}

fn consumers_of_plain_functions_answer_without_a_layer(setup: Setup) {
    let Some(server) = start(setup) else { return };
    doubles(&server, "/sync-double");
    let refused = Transport::ClearHttp1.upgrade(&server, &pounce_tests::Handshake::to("/sync-refusal"));
    assert_eq!(refused.expect_err("the consumer closes").status, 403);
    says_nothing(&server);
}

fn doubles(server: &Server, target: &str) {
    let mut first = connect(server, target);
    for number in 0..50 {
        first.send_text(json!({"number": number}).to_string());
        assert_eq!(first.json(), json!({"twice": number * 2}));
    }
    let mut sockets: Vec<_> = (0..8).map(|_| connect(server, target)).collect();
    for round in 0..5 {
        for (number, socket) in sockets.iter_mut().enumerate() {
            socket.send_text(json!({"number": number + round}).to_string());
        }
        for (number, socket) in sockets.iter_mut().enumerate() {
            assert_eq!(socket.json(), json!({"twice": (number + round) * 2}));
        }
    }
    for socket in sockets {
        socket.close(1000, "");
    }
    says_nothing(server);
}

fn views_speak_to_a_group_over_redis(setup: Setup) {
    let Some(server) = start_over_redis(setup) else { return };
    let room = token();
    let mut socket = connect(&server, &format!("/chat/{room}"));
    socket.expect_text("welcome");
    for number in 0..5 {
        for view in ["announce", "announce-async"] {
            let target = format!("/{view}/{room}/{view}-{number}");
            assert_eq!(server.get(&target).expect(200).text(), "announced");
            socket.expect_text(&format!("{view}-{number}"));
        }
    }
    says_nothing(&server);
}

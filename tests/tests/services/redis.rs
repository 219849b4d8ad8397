//! Redis by redis-py's asyncio client.

use crate::setup::{Setup, ask, ask_together, in_every_setup, stops};
use pounce_tests::notes::token;
use pounce_tests::python::has;
use pounce_tests::services::Redis;
use pounce_tests::{Ask, Server, Transport};
use serde_json::json;

in_every_setup! {
    commands_and_pipelines_share_a_client,
    a_blocking_pop_gets_what_is_pushed,
    subscriptions_hear_what_is_published,
}

fn start(setup: Setup) -> Option<(&'static Redis, Server)> {
    let redis = Redis::shared().filter(|_| has("redis.asyncio"))?;
    Some((redis, setup.start("with_redis", &[("REDIS_URL", &redis.url())])))
}

fn commands_and_pipelines_share_a_client(setup: Setup) {
    let Some((redis, server)) = start(setup) else { return };
    let key = token();
    let values: Vec<_> = (0..100).map(|number| format!("value {number}")).collect();
    assert_eq!(ask(&server, &format!("/commands/{key}/100")), json!(values));
    assert_eq!(ask(&server, &format!("/pipeline/{key}/100")), json!([4950, 1, 1_000_000]));

    let target = |number| format!("/count/{key}/{number}");
    ask_together(&server, 200, target, |number, answer| assert_eq!(answer, json!(number)));
    assert_eq!(redis.run(&["GET", &key]), "$3\r\n200");
    assert_eq!(redis.run(&["SCARD", &format!("{key}:seen")]), ":200");
    stops(server);
}

fn a_blocking_pop_gets_what_is_pushed(setup: Setup) {
    let Some((redis, server)) = start(setup) else { return };
    let key = token();
    let mut client = server.connect();
    for number in 0..5 {
        client.get(&format!("/pop/{key}"));
        redis.wait_blocked_on(&key, "blpop");
        redis.run(&["RPUSH", &key, &format!("pushed {number}")]);
        assert_eq!(client.response().expect(200).json(), json!(format!("pushed {number}")));
    }
    stops(server);
}

fn subscriptions_hear_what_is_published(setup: Setup) {
    let Some((redis, server)) = start(setup) else { return };
    let channel = token();
    let target = format!("/subscribe/{channel}");
    let mut stream = Transport::ClearHttp1.ask(&server, &Ask::get(&target));
    stream.expect_piece("data: listening\n\n");
    let mut socket = Transport::ClearHttp1.connect(&server, &target);
    socket.expect_text("listening");
    // Each is published once the previous one has arrived: nothing else wakes the loop.
    for number in 0..30 {
        assert_eq!(redis.run(&["PUBLISH", &channel, &number.to_string()]), ":2");
        stream.expect_piece(&format!("data: {number}\n\n"));
        socket.expect_text(&number.to_string());
    }
    redis.run(&["PUBLISH", &channel, "last"]);
    assert_eq!(stream.answer().expect(200).text(), "");
    socket.closed_by_server(1000);
    stops(server);
}

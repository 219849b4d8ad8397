//! PostgreSQL by asyncpg, SQLAlchemy's asyncio engine and psycopg.

use crate::setup::{Setup, ask, ask_together, in_every_setup, stops};
use pounce_tests::notes::token;
use pounce_tests::python::has;
use pounce_tests::services::Postgres;
use pounce_tests::{Server, Transport};
use serde_json::json;

in_every_setup! {
    asyncpg_queries_and_shares_a_pool,
    asyncpg_hears_notifications,
    sqlalchemy_queries_and_shares_an_engine,
    psycopg_queries_and_shares_a_pool,
    psycopg_hears_notifications,
}

/// How many queries one request makes on an idle server.
const QUERIES: u64 = 200;

/// The answer of `queries`.
fn doubled() -> serde_json::Value {
    json!({"sum": (0..QUERIES).sum::<u64>() * 2, "count": QUERIES})
}

fn marked(count: u64) -> serde_json::Value {
    (0..count).map(|number| format!("{number}!")).collect()
}

/// A table for the test, with a unique name.
fn table(postgres: &Postgres) -> String {
    let name = token().replace('-', "_");
    postgres.run(&format!("CREATE TABLE {name} (number int PRIMARY KEY, text text NOT NULL)"));
    name
}

fn asyncpg_queries_and_shares_a_pool(setup: Setup) {
    let Some(postgres) = Postgres::shared().filter(|_| has("asyncpg")) else { return };
    let server = setup.start("with_asyncpg", &[("POSTGRES_URL", &postgres.url())]);
    assert_eq!(ask(&server, &format!("/queries/{QUERIES}")), doubled());
    assert_eq!(ask(&server, "/connect/30"), marked(30));
    assert_eq!(ask(&server, "/large"), json!([3000, 4_501_500, 3_000_000]));

    rows_are_inserted(&server, postgres);
    ask_together(&server, 24, |_| "/connect/10".into(), |_, answer| assert_eq!(answer, marked(10)));
    stops(server);
}

/// Two hundred requests over several connections each add a row, in one transaction of the few connections that the
/// pool has.
fn rows_are_inserted(server: &Server, postgres: &Postgres) {
    let table = table(postgres);
    let target = |number| format!("/insert/{table}/{number}");
    ask_together(server, 200, target, |number, answer| {
        assert_eq!(answer, json!([number, format!("row {number}"), 125_250]));
    });
    let found = postgres.run(&format!("SELECT count(*), sum(number) FROM {table}"));
    assert_eq!(found, "200|19900");
}

fn sqlalchemy_queries_and_shares_an_engine(setup: Setup) {
    let Some(postgres) = Postgres::shared().filter(|_| has("asyncpg") && has("sqlalchemy.ext.asyncio"))
    else {
        return;
    };
    let table = table(postgres);
    let environment = [("POSTGRES_URL", &*postgres.url()), ("POSTGRES_TABLE", &table)];
    let server = setup.start("with_sqlalchemy", &environment);
    assert_eq!(ask(&server, &format!("/queries/{QUERIES}")), doubled());
    assert_eq!(ask(&server, "/stream"), json!([2000, 2_001_000]));

    let target = |number| format!("/insert/{number}");
    ask_together(&server, 200, target, |number, answer| {
        assert_eq!(answer, json!([number, format!("row {number}"), number * 2]));
    });
    assert_eq!(postgres.run(&format!("SELECT count(*), sum(number) FROM {table}")), "200|19900");
    stops(server);
}

fn psycopg_queries_and_shares_a_pool(setup: Setup) {
    let Some(postgres) = Postgres::shared().filter(|_| has("psycopg_pool") && has("psycopg")) else { return };
    let server = setup.start("with_psycopg", &[("POSTGRES_URL", &postgres.url())]);
    assert_eq!(ask(&server, &format!("/queries/{QUERIES}")), doubled());
    assert_eq!(ask(&server, "/connect/30"), marked(30));
    assert_eq!(ask(&server, "/copy"), json!([3000, 4_498_500, 3_003_000]));

    rows_are_inserted(&server, postgres);
    ask_together(&server, 24, |_| "/connect/10".into(), |_, answer| assert_eq!(answer, marked(10)));
    stops(server);
}

fn asyncpg_hears_notifications(setup: Setup) {
    let Some(postgres) = Postgres::shared().filter(|_| has("asyncpg")) else { return };
    hears_notifications(&setup.start("with_asyncpg", &[("POSTGRES_URL", &postgres.url())]), postgres);
}

fn psycopg_hears_notifications(setup: Setup) {
    let Some(postgres) = Postgres::shared().filter(|_| has("psycopg_pool") && has("psycopg")) else { return };
    hears_notifications(&setup.start("with_psycopg", &[("POSTGRES_URL", &postgres.url())]), postgres);
}

/// Each notification is sent once the previous one has arrived, over an event stream and a WebSocket: nothing else
/// wakes the loop.
fn hears_notifications(server: &Server, postgres: &Postgres) {
    let channel = token().replace('-', "_");
    let notify = |text: &str| postgres.run(&format!("NOTIFY {channel}, '{text}'"));
    let target = format!("/listen/{channel}");

    let mut stream = Transport::ClearHttp1.ask(server, &pounce_tests::Ask::get(&target));
    stream.expect_piece("data: listening\n\n");
    let mut socket = Transport::ClearHttp1.connect(server, &target);
    socket.expect_text("listening");
    for number in 0..10 {
        notify(&number.to_string());
        stream.expect_piece(&format!("data: {number}\n\n"));
        socket.expect_text(&number.to_string());
    }
    notify("last");
    assert_eq!(stream.answer().expect(200).text(), "");
    socket.closed_by_server(1000);
}

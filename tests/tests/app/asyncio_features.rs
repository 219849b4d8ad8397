//! Tasks, timers and receive work as on asyncio's own loop.

use crate::each_loop::EachLoop;
use pounce_tests::notes::token;
use pounce_tests::python::is_free_threaded;
use pounce_tests::{Options, Server, eventually};

static LOOPS: EachLoop = EachLoop::of("asyncio_features:app");

fn server() -> &'static Server {
    LOOPS.server()
}

fn answers(target: &str, wanted: &str) {
    LOOPS.answers(target, wanted);
}

#[test]
fn the_running_loop_is_a_loop_of_asyncio() {
    answers("/running-loop", "True True True");
}

#[test]
fn a_request_runs_in_its_own_task() {
    answers("/current-task", "True True False");
    answers("/current-task-after-await", "True");
}

#[test]
fn timers_fire_in_the_order_of_their_times() {
    answers("/sleeps", "[0, 0.02, 0.04, 0.06]");
    answers("/call-at", "right");
}

#[test]
fn callbacks_run_in_the_order_they_were_scheduled() {
    answers("/call-soon-order", "[0, 1, 2, 3, 4]");
}

/// A thread that gets a call would preempt the loop's thread, only to wait for its GIL.
#[test]
fn threads_of_pools_wait_until_the_loop_s_thread_does() {
    let policy = if is_free_threaded() == Some(true) { "other" } else { "batch" };
    let found = server().get("/policy-of-pool").expect(200).text();
    assert_eq!(found, format!("{policy} other"));
}

#[test]
fn task_groups_gather_and_cancel() {
    answers("/task-group", "[0, 2, 4, 6]");
    answers("/task-group-fails", "cancelled True");
    answers("/many-tasks", "499500");
}

#[test]
fn timeouts_end_what_they_surround() {
    answers("/timeout", "timed out");
}

#[test]
fn receive_can_be_given_up_and_asked_again() {
    let mut client = server().connect();
    client.send("POST /timeout-on-receive HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n");
    std::thread::sleep(std::time::Duration::from_millis(300));
    client.send("late");
    assert_eq!(client.response().expect(200).text(), "gave up late");
}

#[test]
fn receive_can_be_a_task() {
    assert_eq!(server().post("/receive-as-task", b"hello").expect(200).text(), "hello");
    let token = token();
    answers(&format!("/receive-beside-work/{token}"), "disconnected early: False");
    assert_eq!(server().wait_note(&token, ""), "http.disconnect");
}

#[test]
fn a_task_that_waits_in_receive_can_be_cancelled() {
    let mut client = server().connect();
    client.send("POST /receive-cancelled HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(client.response().expect(200).text(), "cancelled True");
}

#[test]
fn receive_and_send_can_be_driven_by_hand() {
    let response = server().post("/driven-by-hand", b"hello").expect(200);
    assert_eq!(response.text(), "hello http.request None");
}

#[test]
fn the_coroutine_of_receive_supports_throw_and_close() {
    answers("/throw-into-receive", "KeyError thrown in");
}

#[test]
fn an_asynchronous_generator_may_be_left_half_way() {
    answers("/generator", "[0, 1, 2, 3]");
}

#[test]
fn a_blocked_loop_goes_on_afterwards() {
    let mut others: Vec<_> = (0..5).map(|_| server().connect()).collect();
    let mut blocker = server().connect();
    blocker.get("/block/0.5");
    for other in &mut others {
        other.get("/current-task");
    }
    assert_eq!(blocker.response().expect(200).text(), "unblocked");
    for other in &mut others {
        other.response().expect(200);
    }
}

#[test]
fn a_task_may_outlive_its_request() {
    let token = token();
    answers(&format!("/leak-task/{token}"), "left behind");
    assert_eq!(server().wait_note(&token, "later"), format!("later {token}"));
}

#[test]
fn an_exception_that_is_never_retrieved_is_logged() {
    let token = token();
    answers(&format!("/leak-failing-task/{token}"), "left behind");
    server().wait_stderr(&format!("{token} in a task nobody waits for"));
}

#[test]
fn nothing_leaks_from_one_request_into_the_context_of_the_next() {
    let server = Server::start(Options::app("raw:app"));
    let mut client = server.connect();
    for value in ["one", "two", "three"] {
        let text = client.get(&format!("/context/{value}")).response().expect(200).text();
        assert_eq!(text, format!("clean {value}"));
    }
    // Pipelined requests share a read, and nothing else.
    client.get("/context/four").get("/context/five");
    assert_eq!(client.response().expect(200).text(), "clean four");
    assert_eq!(client.response().expect(200).text(), "clean five");
}

#[test]
fn many_requests_wait_side_by_side() {
    let server = Server::start(Options::app("raw:app"));
    let token = token();
    let mut clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.get(&format!("/wait/{token}"));
    }
    pounce_tests::eventually("all wait", || (server.notes(&token).len() == 200).then_some(()));
    server.get(&format!("/open/{token}")).expect(200);
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "opened");
    }
}

#[test]
fn the_debug_mode_of_asyncio_logs_what_holds_the_loop() {
    // Before Python 3.12 the loop runs the first step too.
    let steps = [
        "Executing the first step of GET /holds-the-loop took 0.",
        "Executing <Task finished name='pounce-request' coro=",
    ];
    for target in ["/holds-the-loop", "/holds-the-loop?later"] {
        let server = Server::start(Options::app("asyncio_features:app").env("PYTHONASYNCIODEBUG", "1"));
        server.get(target).expect(200);
        eventually("it is logged", || {
            let stderr = server.stderr();
            steps.iter().any(|step| stderr.contains(step)).then_some(())
        });
    }
    let server = Server::start(Options::app("asyncio_features:app"));
    server.get("/holds-the-loop").expect(200);
    assert!(!server.stderr().contains("Executing"), "{}", server.stderr());
}

#[test]
fn the_file_name_of_the_server_s_python_code_is_ignored_by_tools() {
    let files = server().get("/stack-files").expect(200).json();
    let files: Vec<&str> =
        files.as_array().expect("a list").iter().filter_map(|file| file.as_str()).collect();
    assert!(files.contains(&"<pounce>"), "{files:?}");
    assert!(!files.iter().any(|file| file.contains("glue")), "{files:?}");
}

#[test]
fn an_asyncio_that_lacks_what_the_server_uses_is_named_at_the_start() {
    let folder = tempfile::TempDir::new().expect("temporary directories can be made");
    let text = "import asyncio\ndel asyncio.TimerHandle._when\n";
    std::fs::write(folder.path().join("sitecustomize.py"), text).expect("writable");
    let folder = folder.path().to_str().expect("it is text");
    for (name, said) in [
        ("pounce", "asyncio.TimerHandle of this Python has no slot _when, which Pounce's loop uses"),
        ("asyncio", "has no TimerHandle._when, which Pounce uses"),
    ] {
        let exit = Server::run(Options::app("raw:app").with("--loop", name).env("PYTHONPATH", folder));
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains(said), "{}", exit.stderr);
    }
}

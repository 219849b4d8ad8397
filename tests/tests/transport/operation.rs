//! Operation over every transport: logs, and stops and reloads that lose no request.

use nix::sys::signal::Signal;
use pounce_tests::notes::token;
use pounce_tests::{
    Ask, End, Exchange, Mode, Options, Project, Server, Transport, TransportLoad, over_every_transport,
};

over_every_transport! {
    the_access_log_has_a_line_for_each_request,
    a_client_that_leaves_before_its_answer_has_a_line_and_is_no_error,
    a_client_that_leaves_before_a_head_that_is_held_back_has_no_status,
    a_client_that_is_too_slow_has_a_line_with_the_status_it_was_given,
    a_stop_under_load_loses_no_request,
    a_stop_under_load_of_two_worker_processes_loses_no_request,
    a_stop_under_load_of_two_worker_threads_loses_no_request,
    a_stop_under_load_of_two_subinterpreters_loses_no_request,
    a_stop_lets_a_response_under_way_come_to_its_end,
    a_stop_cuts_off_what_does_not_end_in_time,
    reloads_under_load_fail_no_request,
    reloads_of_two_worker_processes_under_load_fail_no_request,
    reloads_of_two_worker_threads_under_load_fail_no_request,
    reloads_of_two_subinterpreters_under_load_fail_no_request,
    two_worker_processes_serve,
    two_worker_threads_serve,
    two_subinterpreters_serve,
    a_worker_process_that_dies_is_replaced_and_the_others_go_on,
    requests_over_every_transport_count_for_a_workers_replacement,
}

fn the_access_log_has_a_line_for_each_request(transport: Transport) {
    let format = "%(h)s %(r)s %(s)s %(B)s";
    let options = Options::app("transport:app").with("--access-log-format", format).over(transport);
    let server = Server::start(options);
    transport.get(&server, "/hello?a=b").expect(200);
    transport.post(&server, "/echo", b"four").expect(200);
    transport.get(&server, "/raise-before/logged").expect(500);
    let version = if transport.is_http2() { "HTTP/2" } else { "HTTP/1.1" };
    let line = server.wait_stdout_line("/hello?a=b");
    assert!(line.contains(&format!("127.0.0.1 GET /hello?a=b {version}")), "{line}");
    assert!(line.ends_with(" 200 5"), "{line}");
    assert!(server.wait_stdout_line("POST /echo").ends_with(" 200 4"));
    assert!(server.wait_stdout_line("/raise-before").contains(" 500 "));
    assert_eq!(String::from_utf8_lossy(&server.stdout()).lines().count(), 3);
}

fn a_client_that_leaves_before_its_answer_has_a_line_and_is_no_error(transport: Transport) {
    let options = Options::app("transport:app").with("--access-log-format", "%(U)s %(s)s");
    let server = Server::start(options.over(transport));
    for leave in [drop, Exchange::leave, Exchange::vanish] {
        let token = token();
        let path = format!("/leave-with-the-client/{token}");
        let exchange = transport.ask(&server, &Ask::get(&path));
        server.wait_note(&token, "began");
        leave(exchange);
        server.wait_note(&token, "left");
        assert_eq!(server.wait_stdout_line(&path), format!("{path} 499"));
    }
    transport.get(&server, "/hello").expect(200);
    assert_eq!(server.stderr().matches("ERROR").count(), 0, "{}", server.stderr());
}

fn a_client_that_leaves_before_a_head_that_is_held_back_has_no_status(transport: Transport) {
    let options = Options::app("transport:app").with("--access-log-format", "%(U)s %(s)s");
    let server = Server::start(options.over(transport));
    let token = token();
    let path = format!("/start-then-watch/{token}");
    let exchange = transport.ask(&server, &Ask::get(&path));
    server.wait_note(&token, "began");
    exchange.leave();
    server.wait_note(&token, "left");
    assert_eq!(server.wait_stdout_line(&path), format!("{path} 499"));
}

fn a_client_that_is_too_slow_has_a_line_with_the_status_it_was_given(transport: Transport) {
    let options = Options::app("transport:app").with("--access-log-format", "%(U)s %(s)s");
    let server = Server::start(options.with("--timeout-body", "1").over(transport));
    let mut exchange = transport.ask(&server, &Ask::post("/echo").length(10));
    exchange.send("hello");
    assert_eq!(exchange.answer().status(), Some(408));
    assert_eq!(server.wait_stdout_line("/echo"), "/echo 408");
}

fn stops_under_load(options: Options, transport: Transport) {
    let mut server = Server::start(options.flag("--no-access-log").over(transport));
    let load = TransportLoad::on(&server, transport, 6);
    load.wait_answered(60);
    load.server_stops();
    server.sigterm();
    load.finish_with_server();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    server.left_nothing(&[]);
}

fn a_stop_under_load_loses_no_request(transport: Transport) {
    stops_under_load(Options::app("transport:app"), transport);
}

fn a_stop_under_load_of_two_worker_processes_loses_no_request(transport: Transport) {
    stops_under_load(Options::app("transport:app").workers(Mode::Process, 2), transport);
}

fn a_stop_under_load_of_two_worker_threads_loses_no_request(transport: Transport) {
    stops_under_load(Options::app("transport:app").workers(Mode::Thread, 2), transport);
}

fn a_stop_under_load_of_two_subinterpreters_loses_no_request(transport: Transport) {
    if Mode::Subinterpreter.is_there() {
        stops_under_load(Options::app("transport:app").workers(Mode::Subinterpreter, 2), transport);
    }
}

fn a_stop_lets_a_response_under_way_come_to_its_end(transport: Transport) {
    let mut server = Server::start(Options::app("transport:app").over(transport));
    let mut streaming = transport.ask(&server, &Ask::get("/slow-stream/8/0.2"));
    streaming.expect_piece("piece 0;");
    let waiting = transport.ask(&server, &Ask::get("/sleep/1"));
    let connected = transport.ask(&server, &Ask::get("/sleep/0.7"));
    // Both have begun when a third is answered.
    transport.get(&server, "/hello").expect(200);
    server.sigterm();
    assert_eq!(streaming.answer().expect(200).text().matches("piece").count(), 7);
    assert_eq!(waiting.answer().expect(200).text(), "slept 1");
    assert_eq!(connected.answer().expect(200).text(), "slept 0.7");
    assert_eq!(server.wait_exit().code, Some(0));
}

fn a_stop_cuts_off_what_does_not_end_in_time(transport: Transport) {
    let options = Options::app("transport:app").with("--timeout-graceful-shutdown", "1");
    let mut server = Server::start(options.over(transport));
    let token = token();
    let mut exchange = transport.ask(&server, &Ask::get(&format!("/step-by-step/{token}")));
    exchange.expect_piece("piece 0;");
    server.sigterm();
    let answer = exchange.answer();
    assert_ne!(answer.end, End::Complete, "{answer:?}");
    assert_eq!(server.wait_exit().code, Some(0));
}

fn reload(server: &Server, number: usize) {
    server.signal(Signal::SIGHUP);
    server.wait_stderr_times("Reloaded", number);
}

fn reloads_under_load(options: Options, project: &Project, transport: Transport) {
    let mut server = Server::start(options.flag("--no-access-log").over(transport));
    assert_eq!(transport.get(&server, "/text").expect(200).text(), "first");
    let load = TransportLoad::on(&server, transport, 6);
    load.wait_answered(60);
    for number in 1..=5 {
        if number == 5 {
            project.set_text("second");
        }
        reload(&server, number);
        load.wait_answered(20);
    }
    assert_eq!(transport.get(&server, "/text").expect(200).text(), "second");
    load.finish();
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
}

fn reloads_under_load_fail_no_request(transport: Transport) {
    let project = Project::default();
    reloads_under_load(project.options(), &project, transport);
}

fn reloads_of_two_worker_processes_under_load_fail_no_request(transport: Transport) {
    let project = Project::default();
    reloads_under_load(project.options().workers(Mode::Process, 2), &project, transport);
}

fn reloads_of_two_worker_threads_under_load_fail_no_request(transport: Transport) {
    let project = Project::default();
    reloads_under_load(project.options().workers(Mode::Thread, 2), &project, transport);
}

fn reloads_of_two_subinterpreters_under_load_fail_no_request(transport: Transport) {
    if Mode::Subinterpreter.is_there() {
        let project = Project::default();
        reloads_under_load(project.options().workers(Mode::Subinterpreter, 2), &project, transport);
    }
}

fn two_worker_processes_serve(transport: Transport) {
    two_workers_serve(Mode::Process, transport);
}

fn two_worker_threads_serve(transport: Transport) {
    two_workers_serve(Mode::Thread, transport);
}

fn two_subinterpreters_serve(transport: Transport) {
    if Mode::Subinterpreter.is_there() {
        two_workers_serve(Mode::Subinterpreter, transport);
    }
}

fn two_workers_serve(mode: Mode, transport: Transport) {
    let server = Server::start(Options::app("workers:app").workers(mode, 2).over(transport));
    let mut seen = std::collections::BTreeSet::new();
    pounce_tests::eventually("both workers answer", || {
        let asked: Vec<_> = (0..6).map(|_| transport.ask(&server, &Ask::get("/who/5"))).collect();
        seen.extend(asked.into_iter().map(|exchange| exchange.answer().expect(200).text()));
        (seen.len() >= 2).then_some(())
    });
    assert_eq!(seen.len(), 2, "{seen:?}");
}

fn a_worker_process_that_dies_is_replaced_and_the_others_go_on(transport: Transport) {
    let server = Server::start(Options::app("workers:app").workers(Mode::Process, 2).over(transport));
    for how in ["/killed", "/exit-7", "/segfault"] {
        let before = server.children();
        assert_ne!(transport.get(&server, how).end, End::Complete, "{how}");
        for _ in 0..10 {
            transport.get(&server, "/who/1").expect(200);
        }
        pounce_tests::eventually("another is there in its place", || {
            let now = server.children();
            (now.len() == 2 && now != before).then_some(())
        });
    }
}

fn requests_over_every_transport_count_for_a_workers_replacement(transport: Transport) {
    let options = Options::app("workers:app").workers(Mode::Process, 2).with("--limit-max-requests", "50");
    let mut server = Server::start(options.flag("--no-access-log").over(transport));
    let load = TransportLoad::on(&server, transport, 4);
    load.wait_answered(400);
    server.wait_stderr("is replaced");
    load.finish();
    assert!(server.is_running());
}

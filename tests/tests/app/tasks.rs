//! The task of a request is one of asyncio's, whatever looks at it and whenever.

use std::time::Duration;

use pounce_tests::eventually;

use crate::each_loop::EachLoop;

static LOOPS: EachLoop = EachLoop::of("tasks:app");

fn answers(target: &str, wanted: &str) {
    LOOPS.answers(target, wanted);
}

#[test]
fn it_is_an_instance_of_asyncio_s_class() {
    answers("/what-it-is", "(True, True, True) _asyncio.Task pounce-request False");
    answers("/type-after-a-wait", "True True");
    answers("/shown", "True True");
    answers("/named", "other");
}

#[test]
fn it_is_among_all_tasks() {
    answers("/all-tasks", "True True");
    answers("/all-tasks-of-a-thread", "1");
}

#[test]
fn it_can_be_a_key() {
    answers("/keyed", "strong weak");
    answers("/weak", "left");
    answers("/untouched", "untouched");
    answers("/weak-now", "None");
}

#[test]
fn one_that_is_kept_is_done_when_the_call_is() {
    for how in ["end", "wait", "tell", "tell-wait"] {
        answers(&format!("/kept/{how}/{how}"), "kept");
        let told = if how.starts_with("tell") { "[False]" } else { "[]" };
        answers(&format!("/kept-now/{how}"), &format!("done {told}"));
    }
}

#[test]
fn one_that_is_cancelled_in_its_first_step_ends_so() {
    for how in ["cancel", "cancel-raise"] {
        let name = format!("{how}-only");
        LOOPS.get_each(&format!("/kept/{how}/{name}"));
        answers(&format!("/kept-now/{name}"), "cancelled []");
    }
    answers("/cancels-itself", "[('enough',), 1, True] 0");
    answers("/times-out", "timed out");
}

#[test]
fn it_can_be_awaited_by_others_but_not_by_itself() {
    answers("/awaits-itself", "Task cannot await on itself");
    answers("/awaited-by-a-child", "answered");
    answers("/child-now", "None");
}

#[test]
fn its_context_lasts() {
    for _ in 0..2 {
        answers("/context", "2 2 2");
    }
}

#[test]
fn the_collector_the_debug_mode_and_an_exit_find_it_whole() {
    answers("/collected", "pounce-request True False");
    answers("/debug-on", "served");
    LOOPS.get_each("/exits");
    answers("/untouched", "untouched");
}

/// Others would take the connections of a database's pool from under those that wait for them.
#[test]
fn a_request_does_not_overtake_a_task_that_was_woken_before_it() {
    // Servers of its own: nobody else's requests may come between.
    for (event_loop, server) in EachLoop::of("tasks:app").servers() {
        let (mut first, mut giver, mut last) = (server.connect(), server.connect(), server.connect());
        first.get("/takes-from-pool");
        eventually("the first waits", || (server.get("/waiting-for-pool").text() == "1").then_some(()));
        last.get("/untouched");
        last.response().expect(200);
        giver.get("/gives-to-pool");
        std::thread::sleep(Duration::from_millis(200));
        last.get("/takes-at-once");
        assert_eq!(last.response().expect(200).text(), "nothing", "on the loop of {event_loop}");
        assert_eq!(first.response().expect(200).text(), "took a connection");
        assert_eq!(giver.response().expect(200).text(), "gave");
    }
}

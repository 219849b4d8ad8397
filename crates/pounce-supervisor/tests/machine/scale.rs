//! One worker more, one worker less.

use pounce_supervisor::{Action, Command, Event, Notice, OperatorRequest, Policy, Status};

use crate::harness::{Done, Scene, seconds, threads, workers};

#[test]
fn one_more_is_spawned_in_a_new_slot() {
    let mut scene = Scene::running(workers(2));
    let done = scene.tell(Event::ScaleUp);
    assert_eq!(done.notices(), [Notice::Scaled(3)]);
    let worker = done.one_spawned();
    assert_eq!((scene.slot(worker), scene.generation(worker)), (2, 0));
    assert_eq!(scene.machine.worker_count(), 3);
    assert_eq!(scene.serve(worker), Done::default());
}

#[test]
fn one_less_is_closed_and_drained_and_not_respawned() {
    let mut scene = Scene::running(workers(3));
    let worker = scene.at(2);
    let done = scene.tell(Event::ScaleDown);
    let expected =
        [Action::CloseSlot(2), Action::Send(worker, Command::Drain), Action::Notify(Notice::Scaled(2))];
    assert_eq!(done.0, expected);
    assert_eq!(scene.machine.worker_count(), 2);
    assert_eq!(scene.drains(worker), Done::default());
    assert_eq!(scene.pass(seconds(600)), Done::default());
}

#[test]
fn a_number_may_be_named_and_one_is_the_least() {
    let mut scene = Scene::running(workers(2));
    let done = scene.tell(Event::ScaleTo(4));
    assert_eq!(done.notices(), [Notice::Scaled(3), Notice::Scaled(4)]);
    assert_eq!(scene.machine.worker_count(), 4);
    assert_eq!(scene.tell(Event::ScaleTo(4)), Done::default());
    scene.tell(Event::ScaleTo(0));
    assert_eq!(scene.machine.worker_count(), 1);
}

#[test]
fn what_the_operator_requests_goes_to_every_worker_and_ends_none() {
    let mut scene = Scene::running(workers(2));
    let [one, other] = [0, 1].map(|slot| scene.at(slot));
    let request = OperatorRequest::ShowStack;
    let done = scene.tell(Event::Request(request));
    assert_eq!(done.0, [Action::Request(one, request), Action::Request(other, request)]);
    let answer = Status::Answer { text: "waits".to_owned() };
    let done = scene.tell(Event::Status(other, answer));
    assert_eq!(done.notices(), [Notice::Answer { slot: 1, text: "waits".to_owned() }]);
    assert_eq!(scene.pass(seconds(600)), Done::default());
}

#[test]
fn the_last_one_stays() {
    let mut scene = Scene::running(workers(2));
    scene.tell(Event::ScaleDown);
    for _ in 0..3 {
        assert_eq!(scene.tell(Event::ScaleDown).sent(), []);
        assert_eq!(scene.machine.worker_count(), 1);
    }
}

#[test]
fn the_last_one_that_serves_stays_when_the_other_slot_was_given_up() {
    let mut scene = Scene::running(Policy { respawn_limit: 0, ..workers(2) });
    let [lost, serving] = [0, 1].map(|slot| scene.at(slot));
    scene.ends(lost);
    let done = scene.tell(Event::ScaleDown);
    assert!(done.has(&Action::CloseSlot(0)), "{done:?}");
    assert!(!done.sent().contains(&(serving, Command::Drain)), "nobody serves any more: {done:?}");
    assert_eq!(scene.machine.worker_count(), 1);
}

#[test]
fn a_removed_worker_that_does_not_drain_is_ended_by_force() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(1);
    scene.tell(Event::ScaleDown);
    let (after, done) = scene.until(|action| matches!(action, Action::Kill(_)));
    assert!(after >= Policy::default().drain_timeout, "{after:?}");
    assert_eq!(done.0, [Action::Terminate(worker), Action::Kill(worker)]);
    scene.ends(worker);
    assert_eq!(scene.machine.deadline(), None);
}

#[test]
fn a_removed_thread_that_does_not_drain_is_reported() {
    let mut scene = Scene::running(threads(2));
    scene.tell(Event::ScaleDown);
    let (_, done) = scene.until(|_| true);
    assert_eq!(done.0, [Action::Notify(Notice::Unstoppable { slot: 1 })]);
    assert_eq!(scene.machine.deadline(), None);
}

#[test]
fn a_slot_removed_while_its_next_worker_is_due_needs_no_more_ticks_than_its_old_one() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(1);
    scene.says(worker, Status::Draining);
    scene.tell(Event::ScaleDown);
    let (_, done) = scene.until(|action| matches!(action, Action::Terminate(_)));
    assert_eq!(done.0, [Action::Terminate(worker)]);
}

#[test]
fn a_slot_removed_while_its_worker_starts_is_not_respawned() {
    let mut scene = Scene::running(workers(1));
    let worker = scene.tell(Event::ScaleUp).one_spawned();
    assert_eq!(scene.tell(Event::ScaleDown).sent(), [(worker, Command::Drain)]);
    assert_eq!(scene.says(worker, Status::Serving), Done::default());
    assert_eq!(scene.ends(worker), Done::default());
    assert_eq!(scene.pass(seconds(600)), Done::default());
}

#[test]
fn down_and_up_again_does_not_wait_for_the_one_that_drains() {
    let mut scene = Scene::running(workers(2));
    let old = scene.at(1);
    scene.tell(Event::ScaleDown);
    let new = scene.tell(Event::ScaleUp).one_spawned();
    assert_eq!(scene.serve(new), Done::default());
    assert_eq!(scene.drains(old), Done::default());
    scene.ends(new);
    assert_eq!(scene.slot(scene.at(1)), 1);
    assert_eq!(scene.until_spawned().0.as_millis(), 500);
}

#[test]
fn one_more_that_cannot_start_leaves_the_others_alone() {
    let mut scene = Scene::running(workers(1));
    let worker = scene.tell(Event::ScaleUp).one_spawned();
    let done = scene.ends(worker);
    assert!(matches!(done.notices()[..], [Notice::Lost { slot: 1, .. }]), "{done:?}");
    assert_eq!(done.sent(), []);
}

#[test]
fn one_more_during_a_reload_is_of_the_new_generation_in_the_end() {
    let mut scene = Scene::running(workers(1));
    scene.tell(Event::Reload);
    let early = scene.tell(Event::ScaleUp).one_spawned();
    scene.serve(early);
    let mut new = scene.tell(Event::Prepared(1)).one_spawned();
    let mut done = scene.serve(new);
    while !done.tells(&Notice::Reloaded) {
        new = done.one_spawned();
        done = scene.serve(new);
    }
    for slot in [0, 1] {
        assert_eq!(scene.generation(scene.at(slot)), 1);
    }
}

#[test]
fn no_worker_is_added_during_a_shutdown() {
    let mut scene = Scene::running(workers(2));
    scene.tell(Event::Shutdown);
    assert_eq!(scene.tell(Event::ScaleUp), Done::default());
    assert_eq!(scene.tell(Event::ScaleDown), Done::default());
}

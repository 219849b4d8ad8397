//! Workers that end unexpectedly: how soon and how often they are respawned.

use std::time::Duration;

use pounce_supervisor::{Action, Event, Notice, Outcome, Policy, Status, WorkerId};

use crate::harness::{Done, Scene, busy, idle, seconds, threads, workers};

/// Ends the worker of a slot until the slot is given up. Returns the waits before its restarts.
fn crash_until_given_up(scene: &mut Scene, slot: u32) -> (Vec<Duration>, Done) {
    let mut waits = Vec::new();
    loop {
        let worker = scene.at(slot);
        let done = scene.ends(worker);
        if done.notices().iter().any(|notice| matches!(notice, Notice::GivenUp { .. })) {
            return (waits, done);
        }
        let (wait, worker) = scene.until_spawned();
        assert_eq!(scene.slot(worker), slot);
        scene.serve(worker);
        waits.push(wait);
    }
}

#[test]
fn a_slot_is_restarted_five_times_each_time_later() {
    let mut scene = Scene::running(workers(2));
    let (waits, _) = crash_until_given_up(&mut scene, 1);
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000].map(Duration::from_millis));
}

#[test]
fn no_wait_is_longer_than_half_a_minute() {
    let policy = Policy { respawn_limit: 9, respawn_window: seconds(600), ..workers(1) };
    let (waits, _) = crash_until_given_up(&mut Scene::running(policy), 0);
    assert_eq!(waits[4..], [8, 16, 30, 30, 30].map(seconds));
}

#[test]
fn a_loss_is_reported_with_how_it_came_and_when_the_next_one_starts() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(1);
    let done = scene.tell(Event::Ended(worker, "signal SIGKILL".into()));
    let wait = Duration::from_millis(500);
    let notice = Notice::Lost { slot: 1, how: "signal SIGKILL".into(), wait };
    assert_eq!(done.0, [Action::Notify(notice)]);
}

#[test]
fn a_worker_that_served_between_does_not_earn_a_new_budget() {
    let mut scene = Scene::running(workers(2));
    for _ in 0..5 {
        let worker = scene.at(0);
        scene.ends(worker);
        let (_, worker) = scene.until_spawned();
        scene.serve(worker);
        scene.pass(seconds(5));
    }
    let worker = scene.at(0);
    assert!(matches!(scene.ends(worker).notices()[..], [Notice::GivenUp { slot: 0, .. }]));
}

#[test]
fn a_restart_of_a_minute_ago_does_not_count() {
    let mut scene = Scene::running(workers(2));
    for _ in 0..30 {
        let worker = scene.at(0);
        let done = scene.ends(worker);
        assert!(matches!(done.notices()[..], [Notice::Lost { .. }]), "{done:?}");
        let (wait, worker) = scene.until_spawned();
        scene.serve(worker);
        scene.pass(seconds(12) - wait);
    }
}

#[test]
fn a_slot_out_of_budget_is_closed_and_reported_and_the_others_are_unharmed() {
    let mut scene = Scene::running(workers(3));
    let (_, done) = crash_until_given_up(&mut scene, 1);
    let given_up = Notice::GivenUp { slot: 1, how: "exit code 9".into() };
    assert_eq!(done.0, [Action::CloseSlot(1), Action::Notify(given_up)]);
    assert_eq!(scene.pass(seconds(3600)), Done::default());
    let other = scene.at(0);
    scene.ends(other);
    assert_eq!(scene.until_spawned().0, Duration::from_millis(500));
}

#[test]
fn every_slot_has_its_own_budget() {
    let mut scene = Scene::running(workers(3));
    for slot in [2, 0] {
        assert_eq!(crash_until_given_up(&mut scene, slot).0.len(), 5);
    }
    let last = scene.at(1);
    assert!(matches!(scene.ends(last).notices()[..], [Notice::Lost { slot: 1, .. }]));
}

#[test]
fn when_every_slot_is_given_up_so_is_the_server() {
    let mut scene = Scene::running(workers(2));
    crash_until_given_up(&mut scene, 0);
    let (_, done) = crash_until_given_up(&mut scene, 1);
    assert!(done.has(&Action::Release(0)), "{done:?}");
    assert_eq!(scene.tell(Event::Released(0)).0, [Action::Exit(Outcome::GivenUp)]);
}

#[test]
fn a_respawned_worker_that_cannot_start_is_a_loss_like_any_other() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(0);
    scene.ends(worker);
    for wait in [1, 2, 4, 8].map(seconds) {
        let (_, worker) = scene.until_spawned();
        let lost = Notice::Lost { slot: 0, how: "no database".into(), wait };
        assert_eq!(scene.fails(worker, "no database").notices(), [lost]);
        assert_eq!(scene.ends(worker), Done::default());
    }
    let (_, worker) = scene.until_spawned();
    let done = scene.fails(worker, "no database");
    assert_eq!(done.notices(), [Notice::GivenUp { slot: 0, how: "no database".into() }]);
}

#[test]
fn a_respawned_worker_that_never_serves_is_ended_and_is_a_loss() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(0);
    scene.ends(worker);
    let (_, worker) = scene.until_spawned();
    let (after, done) = scene.until(|action| matches!(action, Action::Terminate(_)));
    assert!(after >= Policy::default().startup_timeout, "{after:?}");
    assert!(done.has(&Action::Terminate(worker)), "{done:?}");
    assert!(matches!(done.notices()[..], [Notice::Lost { slot: 0, .. }]), "{done:?}");
    assert_ne!(scene.until_spawned().1, worker);
}

#[test]
fn a_thread_that_starts_too_late_is_drained_before_it_is_abandoned() {
    let mut scene = Scene::running(threads(2));
    let worker = scene.at(0);
    scene.ends(worker);
    let (_, worker) = scene.until_spawned();
    let (_, done) = scene.until(|action| matches!(action, Action::Notify(Notice::Unstoppable { slot: 0 })));
    assert!(done.sent().iter().any(|(told, _)| *told == worker), "never told to end: {done:?}");
}

#[test]
fn a_worker_that_reports_an_error_and_ends_is_one_loss() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(1);
    let done = scene.fails(worker, "out of memory");
    let wait = Duration::from_millis(500);
    assert_eq!(done.notices(), [Notice::Lost { slot: 1, how: "out of memory".into(), wait }]);
    assert_eq!(scene.ends(worker), Done::default());
    assert_eq!(scene.until_spawned().0, wait);
}

#[test]
fn a_worker_that_drains_unasked_is_followed_by_another_while_it_finishes() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(0);
    let done = scene.says(worker, Status::Draining);
    assert!(matches!(done.notices()[..], [Notice::Lost { slot: 0, .. }]), "{done:?}");
    let (_, next) = scene.until_spawned();
    assert_eq!(scene.serve(next), Done::default());
    assert_eq!(scene.ends(worker), Done::default());
    assert_eq!(scene.pass(seconds(600)), Done::default());
}

#[test]
fn a_worker_that_drains_unasked_and_never_ends_is_ended() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(0);
    scene.says(worker, Status::Draining);
    let (_, next) = scene.until_spawned();
    scene.serve(next);
    let (_, done) = scene.until(|action| matches!(action, Action::Kill(_)));
    assert_eq!(done.0, [Action::Terminate(worker), Action::Kill(worker)]);
}

#[test]
fn a_worker_that_dies_while_its_replacement_starts_is_reported_as_lost() {
    let mut scene = Scene::running(Policy { lifetime: Some(seconds(100)), ..workers(2) });
    let (_, replacement) = scene.until_spawned();
    let done = scene.ends(WorkerId::from(scene.slot(replacement)));
    assert!(matches!(done.notices()[..], [Notice::Lost { .. }]), "{done:?}");
}

#[test]
fn messages_of_workers_that_are_unknown_or_have_ended_are_ignored() {
    let mut scene = Scene::running(workers(2));
    let ended = scene.at(0);
    scene.ends(ended);
    let (_, next) = scene.until_spawned();
    scene.serve(next);
    for worker in [ended, 4711] {
        let error = Status::Error { detail: "late".into() };
        let beats = [idle(), busy()].map(Status::Heartbeat);
        let others =
            [Status::Started, Status::Serving, Status::Draining, Status::Idle, Status::Stopped, error];
        for status in others.into_iter().chain(beats) {
            assert_eq!(scene.says(worker, status), Done::default());
        }
        assert_eq!(scene.ends(worker), Done::default());
    }
    assert_eq!(scene.machine.deadline(), None);
}

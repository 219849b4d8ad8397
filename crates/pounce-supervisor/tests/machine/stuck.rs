//! Silent workers: idle ones, and stuck ones.

use std::time::Duration;

use pounce_supervisor::{Action, Notice, Policy};

use crate::harness::{Done, Scene, busy, idle, seconds, threads, workers};

#[test]
fn workers_that_have_nothing_to_do_need_no_tick() {
    for policy in [workers(4), threads(4)] {
        let scene = Scene::running(policy);
        assert_eq!(scene.machine.deadline(), None);
    }
}

#[test]
fn a_busy_worker_that_gives_signs_of_life_is_left_alone() {
    let mut scene = Scene::running(workers(1));
    let worker = scene.at(0);
    for _ in 0..100 {
        assert_eq!(scene.beats(worker, busy()), Done::default());
        assert_eq!(scene.pass(seconds(30)), Done::default());
    }
    scene.beats(worker, idle());
    assert_eq!(scene.machine.deadline(), None);
}

#[test]
fn a_sign_of_life_counts_even_if_the_driver_was_late() {
    let mut scene = Scene::running(workers(1));
    let worker = scene.at(0);
    scene.beats(worker, busy());
    scene.oversleep(seconds(300));
    assert_eq!(scene.beats(worker, busy()), Done::default());
}

#[test]
fn a_stuck_process_is_reported_and_ended_and_another_one_takes_its_place() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(1);
    scene.beats(worker, busy());
    let (after, done) = scene.until(|action| matches!(action, Action::Notify(Notice::Stuck { .. })));
    assert!(after >= seconds(30) && after < seconds(35), "{after:?}");
    assert!(done.tells(&Notice::Stuck { slot: 1 }) && done.has(&Action::Terminate(worker)), "{done:?}");
    let (wait, next) = scene.until_spawned();
    assert_eq!((wait, scene.slot(next)), (Duration::from_millis(500), 1));
    scene.serve(next);
    let (more, done) = scene.until(|action| matches!(action, Action::Kill(_)));
    assert_eq!((wait + more, done.0), (seconds(2), vec![Action::Kill(worker)]));
    scene.ends(worker);
    assert_eq!(scene.machine.deadline(), None);
}

#[test]
fn a_stuck_process_that_ends_when_asked_is_not_killed() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(0);
    scene.beats(worker, busy());
    scene.until(|action| matches!(action, Action::Terminate(_)));
    assert_eq!(scene.ends(worker), Done::default());
    let (_, next) = scene.until_spawned();
    scene.serve(next);
    assert_eq!(scene.pass(seconds(600)), Done::default());
}

#[test]
fn a_slot_whose_workers_get_stuck_again_and_again_is_given_up() {
    let policy = Policy { healthcheck: Some(seconds(1)), respawn_limit: 3, ..workers(2) };
    let mut scene = Scene::running(policy);
    for _ in 0..3 {
        let worker = scene.at(0);
        scene.beats(worker, busy());
        let (_, next) = scene.until_spawned();
        scene.ends(worker);
        scene.serve(next);
    }
    let worker = scene.at(0);
    scene.beats(worker, busy());
    let (_, done) = scene.until(|action| matches!(action, Action::CloseSlot(0)));
    assert!(
        done.notices().iter().any(|notice| matches!(notice, Notice::GivenUp { slot: 0, .. })),
        "{done:?}"
    );
    let (_, done) = scene.until(|action| matches!(action, Action::Kill(_)));
    assert!(done.has(&Action::Kill(worker)), "{done:?}");
}

#[test]
fn a_worker_that_serves_and_never_gives_a_sign_of_life_is_stuck() {
    let mut scene = Scene::starting(workers(1));
    let worker = scene.at(0);
    scene.says(worker, pounce_supervisor::Status::Serving);
    let (after, done) = scene.until(|action| matches!(action, Action::Terminate(_)));
    assert!(after >= seconds(30), "{after:?}");
    assert!(done.tells(&Notice::Stuck { slot: 0 }), "{done:?}");
}

#[test]
fn a_stuck_thread_is_reported_once_and_left_alone() {
    let mut scene = Scene::running(threads(2));
    let worker = scene.at(0);
    scene.beats(worker, busy());
    let (after, done) = scene.until(|_| true);
    assert!(after >= seconds(30), "{after:?}");
    assert_eq!(done.0, [Action::Notify(Notice::Stuck { slot: 0 })]);
    assert_eq!(scene.machine.deadline(), None);
}

#[test]
fn a_stuck_thread_that_gives_a_sign_of_life_has_recovered_and_can_get_stuck_again() {
    let mut scene = Scene::running(threads(2));
    let worker = scene.at(1);
    for _ in 0..3 {
        scene.beats(worker, busy());
        let (_, done) = scene.until(|_| true);
        assert_eq!(done.0, [Action::Notify(Notice::Stuck { slot: 1 })]);
        let recovered = [Action::Notify(Notice::Recovered { slot: 1 })];
        assert_eq!(scene.beats(worker, busy()).0, recovered);
        assert_eq!(scene.beats(worker, idle()), Done::default());
    }
}

#[test]
fn without_a_health_check_no_worker_is_stuck() {
    let mut scene = Scene::running(Policy { healthcheck: None, ..workers(1) });
    let worker = scene.at(0);
    scene.beats(worker, busy());
    assert_eq!(scene.machine.deadline(), None);
}

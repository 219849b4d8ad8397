//! Startup: the workers started, readiness, and failed starts.

use pounce_supervisor::{Action, Command, Event, Notice, Outcome, Policy, Status};

use crate::harness::{Done, Scene, seconds, threads, workers};

#[test]
fn workers_are_spawned_one_per_slot_once_their_generation_is_prepared() {
    let mut scene = Scene::new(workers(3));
    assert_eq!(scene.machine.worker_count(), 3);
    assert_eq!(scene.tell(Event::Tick), Done::default());
    let spawned = scene.tell(Event::Prepared(0)).spawned();
    let slots: Vec<u32> = spawned.iter().map(|worker| scene.slot(*worker)).collect();
    assert_eq!(slots, [0, 1, 2]);
    assert!(spawned.iter().all(|worker| scene.generation(*worker) == 0));
}

#[test]
fn it_is_ready_once_and_only_when_every_worker_serves() {
    let mut scene = Scene::starting(workers(3));
    for slot in [2, 0] {
        let worker = scene.at(slot);
        assert_eq!(scene.says(worker, Status::Started), Done::default());
        assert_eq!(scene.serve(worker), Done::default());
    }
    let last = scene.at(1);
    assert_eq!(scene.says(last, Status::Started), Done::default());
    assert_eq!(scene.serve(last).0, [Action::Notify(Notice::Ready)]);
    let first = scene.at(0);
    assert_eq!(scene.serve(first), Done::default());
    assert_eq!(scene.pass(seconds(600)), Done::default());
}

#[test]
fn a_respawn_later_on_does_not_make_it_ready_again() {
    let mut scene = Scene::running(workers(2));
    let worker = scene.at(0);
    scene.ends(worker);
    let (_, worker) = scene.until_spawned();
    assert_eq!(scene.serve(worker), Done::default());
}

/// Expects a start that failed with this reason and after which the remaining workers obey.
fn expect_failed_start(scene: &mut Scene, done: &Done, left: &[u64], reason: &str) {
    assert_eq!(done.spawned(), [0; 0]);
    for worker in left {
        assert!(done.sent().iter().any(|(told, _)| told == worker), "{done:?}");
    }
    let mut rest = Done::default();
    for worker in left {
        assert_eq!(rest.exit(), None);
        rest = scene.drains(*worker);
    }
    assert!(rest.has(&Action::Release(0)), "{rest:?}");
    let exit = scene.tell(Event::Released(0)).0;
    assert!(
        matches!(&exit[..], [Action::Exit(Outcome::StartupFailed(why))] if why.contains(reason)),
        "{exit:?}"
    );
    assert_eq!(scene.machine.deadline(), None);
}

#[test]
fn a_worker_that_cannot_start_ends_the_start_with_its_reason_and_is_not_respawned() {
    let mut scene = Scene::starting(workers(3));
    let [first, second, third] = [0, 1, 2].map(|slot| scene.at(slot));
    scene.serve(first);
    let done = scene.fails(second, "No module named 'nowhere'");
    assert_eq!(scene.ends(second), Done::default());
    expect_failed_start(&mut scene, &done, &[first, third], "No module named 'nowhere'");
}

#[test]
fn a_worker_that_dies_before_it_serves_ends_the_start_with_how_it_died() {
    let mut scene = Scene::starting(workers(2));
    let [first, second] = [0, 1].map(|slot| scene.at(slot));
    scene.says(first, Status::Started);
    let done = scene.tell(Event::Ended(first, "signal SIGSEGV".into()));
    expect_failed_start(&mut scene, &done, &[second], "signal SIGSEGV");
}

#[test]
fn the_first_reason_is_the_one_that_is_given() {
    let mut scene = Scene::starting(workers(2));
    let [first, second] = [0, 1].map(|slot| scene.at(slot));
    scene.fails(first, "no database");
    scene.fails(second, "interrupted");
    scene.ends(second);
    assert!(scene.ends(first).has(&Action::Release(0)));
    let exit = scene.tell(Event::Released(0)).exit();
    assert_eq!(exit, Some(Outcome::StartupFailed("no database".into())));
}

#[test]
fn a_generation_that_cannot_be_prepared_ends_the_start_without_a_worker() {
    let mut scene = Scene::new(workers(2));
    let done = scene.tell(Event::NotPrepared(0, "lifespan startup failed".into()));
    assert_eq!(done.0, [Action::Exit(Outcome::StartupFailed("lifespan startup failed".into()))]);
}

#[test]
fn a_worker_that_does_not_serve_in_time_ends_the_start() {
    let mut scene = Scene::starting(Policy { startup_timeout: seconds(20), ..workers(2) });
    let [first, second] = [0, 1].map(|slot| scene.at(slot));
    scene.serve(first);
    assert_eq!(scene.pass(seconds(20)), Done::default());
    let (after, done) = scene.until(|action| matches!(action, Action::Terminate(_)));
    assert!(after <= seconds(10), "{after:?}");
    assert!(done.has(&Action::Terminate(second)) && !done.has(&Action::Terminate(first)), "{done:?}");
    scene.ends(second);
    expect_failed_start(&mut scene, &done, &[first], "did not serve");
}

#[test]
fn a_start_that_fails_ends_by_itself_whatever_the_workers_do() {
    for policy in [workers(3), threads(3)] {
        let mut scene = Scene::starting(policy);
        let (_, done) = scene.until(|action| matches!(action, Action::Release(0)));
        assert_eq!(done.spawned(), [0; 0]);
        let exit = scene.tell(Event::Released(0)).exit();
        assert!(matches!(exit, Some(Outcome::StartupFailed(_))), "{exit:?}");
    }
}

#[test]
fn a_worker_that_served_and_dies_before_the_others_serve_is_respawned() {
    let mut scene = Scene::starting(workers(2));
    let [first, second] = [0, 1].map(|slot| scene.at(slot));
    scene.serve(first);
    scene.ends(first);
    let (_, again) = scene.until_spawned();
    assert_eq!(scene.slot(again), 0);
    assert_eq!(scene.serve(second), Done::default());
    assert!(scene.serve(again).tells(&Notice::Ready));
}

#[test]
fn a_slot_that_is_given_up_before_all_serve_does_not_leave_the_start_undecided() {
    let mut scene = Scene::starting(Policy { respawn_limit: 0, ..workers(2) });
    let [first, second] = [0, 1].map(|slot| scene.at(slot));
    scene.serve(first);
    let mut done = scene.ends(first);
    done.0.extend(scene.serve(second).0);
    done.0.extend(scene.pass(seconds(120)).0);
    let stops = done.sent().contains(&(second, Command::Shutdown));
    assert!(stops || done.tells(&Notice::Ready), "neither ready nor failed: {done:?}");
}

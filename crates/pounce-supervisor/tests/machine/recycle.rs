//! Replacing workers that reach their limit of requests, age or memory.

use std::num::NonZeroU64;
use std::time::Duration;

use pounce_supervisor::{Action, Command, Heartbeat, Notice, Policy, WorkerId};

use crate::harness::{Done, Scene, idle, seconds, threads, workers};

fn by_requests(limit: u64, jitter: u64) -> Policy {
    Policy { max_requests: NonZeroU64::new(limit), max_requests_jitter: jitter, ..workers(2) }
}

fn served(requests: u64) -> Heartbeat {
    Heartbeat { requests, ..idle() }
}

fn grown(rss: u64) -> Heartbeat {
    Heartbeat { rss, ..idle() }
}

/// The replacement of a worker that is spent.
fn replacement(scene: &Scene, done: &Done, of: WorkerId) -> WorkerId {
    let slot = scene.slot(of);
    assert!(matches!(done.notices()[..], [Notice::Spent { slot: at, .. }] if at == slot), "{done:?}");
    assert_eq!(done.sent(), []);
    let new = done.one_spawned();
    assert_eq!((scene.slot(new), scene.generation(new)), (slot, scene.generation(of)));
    new
}

#[test]
fn a_worker_that_has_served_its_requests_is_replaced_by_one_that_serves_before_it_drains() {
    let mut scene = Scene::running(by_requests(100, 0));
    let old = scene.at(1);
    assert_eq!(scene.max_requests(old), Some(100));
    assert_eq!(scene.beats(old, served(99)), Done::default());
    let done = scene.beats(old, served(100));
    let new = replacement(&scene, &done, old);
    assert_eq!(scene.serve(new).0, [Action::Send(old, Command::ReloadDrain)]);
    assert_eq!(scene.drains(old), Done::default());
    assert_eq!(scene.machine.deadline(), None);
}

#[test]
fn requests_are_jittered_per_worker() {
    let scene = Scene::running(Policy { workers: 40, ..by_requests(100, 50) });
    let mut limits: Vec<u64> = (0..40).filter_map(|slot| scene.max_requests(scene.at(slot))).collect();
    assert!(limits.len() == 40 && limits.iter().all(|limit| (100..=150).contains(limit)), "{limits:?}");
    limits.sort_unstable();
    limits.dedup();
    assert!(limits.len() > 5, "{limits:?}");
}

#[test]
fn a_worker_is_replaced_at_its_own_limit_and_not_before() {
    let mut scene = Scene::running(by_requests(100, 1000));
    let worker = scene.at(0);
    let limit = scene.max_requests(worker).expect("it has a limit");
    assert_eq!(scene.beats(worker, served(limit - 1)), Done::default());
    assert_eq!(scene.beats(worker, served(limit)).spawned().len(), 1);
}

#[test]
fn without_limits_no_worker_is_replaced() {
    let mut scene = Scene::running(workers(1));
    let worker = scene.at(0);
    assert_eq!(scene.max_requests(worker), None);
    let heartbeat = Heartbeat { busy: false, requests: u64::MAX, rss: u64::MAX };
    assert_eq!(scene.beats(worker, heartbeat), Done::default());
    assert_eq!(scene.machine.deadline(), None);
}

#[test]
fn a_worker_that_has_grown_too_big_is_replaced() {
    let mut scene = Scene::running(Policy { max_rss: Some(1 << 30), ..workers(2) });
    let old = scene.at(0);
    assert_eq!(scene.beats(old, grown(1 << 30)), Done::default());
    let done = scene.beats(old, grown((1 << 30) + 1));
    let new = replacement(&scene, &done, old);
    assert_eq!(scene.serve(new).0, [Action::Send(old, Command::ReloadDrain)]);
}

#[test]
fn workers_that_have_reached_their_age_are_replaced_one_by_one() {
    for policy in [workers(3), threads(3)] {
        let mut scene = Scene::running(Policy { lifetime: Some(seconds(100)), ..policy });
        assert_eq!(scene.pass(seconds(99)), Done::default());
        let mut done = scene.pass(seconds(1));
        for left in (0..3).rev() {
            let new = done.one_spawned();
            assert_eq!(scene.pass(seconds(5)), Done::default());
            let old = WorkerId::from(scene.slot(new));
            done = scene.serve(new);
            assert_eq!(done.sent(), [(old, Command::ReloadDrain)]);
            scene.drains(old);
            assert_eq!(done.spawned().len(), usize::from(left > 0));
        }
    }
}

#[test]
fn ages_are_jittered_per_worker() {
    let mut times = Vec::new();
    for seed in 0..20 {
        let policy =
            Policy { lifetime: Some(seconds(100)), lifetime_jitter: seconds(50), seed, ..workers(1) };
        let (after, _) = Scene::running(policy).until_spawned();
        assert!((seconds(100)..=seconds(150)).contains(&after), "{after:?}");
        times.push(after);
    }
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 5, "{times:?}");
}

#[test]
fn replacing_costs_no_restart() {
    let mut scene = Scene::running(Policy { respawn_limit: 1, ..by_requests(10, 0) });
    for _ in 0..20 {
        let old = scene.at(0);
        let done = scene.beats(old, served(10));
        let new = replacement(&scene, &done, old);
        scene.serve(new);
        scene.drains(old);
    }
    let worker = scene.at(0);
    assert!(matches!(scene.ends(worker).notices()[..], [Notice::Lost { .. }]));
}

#[test]
fn a_replacement_that_fails_leaves_the_old_one_and_is_tried_again_later() {
    let mut scene = Scene::running(by_requests(10, 0));
    let old = scene.at(0);
    let mut new = scene.beats(old, served(10)).one_spawned();
    for wait in [500, 1000, 2000].map(Duration::from_millis) {
        let done = scene.fails(new, "no database");
        assert_eq!(done.0, [Action::Notify(Notice::NotReplaced { slot: 0, how: "no database".into() })]);
        scene.ends(new);
        let (after, again) = scene.until_spawned();
        assert_eq!((after, scene.slot(again)), (wait, 0));
        new = again;
    }
    assert_eq!(scene.serve(new).sent(), [(old, Command::ReloadDrain)]);
}

#[test]
fn a_replacement_that_never_starts_never_costs_the_worker_that_serves() {
    let mut scene = Scene::running(by_requests(10, 0));
    let old = scene.at(0);
    let mut new = scene.beats(old, served(10)).one_spawned();
    for _ in 0..50 {
        let done = scene.ends(new);
        assert!(matches!(done.0[..], [Action::Notify(Notice::NotReplaced { slot: 0, .. })]), "{done:?}");
        new = scene.until_spawned().1;
    }
}

#[test]
fn a_spent_worker_that_dies_is_respawned_like_any_other() {
    let mut scene = Scene::running(by_requests(10, 0));
    let old = scene.at(0);
    let new = scene.beats(old, served(10)).one_spawned();
    scene.ends(old);
    scene.ends(new);
    let (_, next) = scene.until_spawned();
    assert_eq!(scene.slot(next), 0);
    assert_eq!(scene.serve(next), Done::default());
}

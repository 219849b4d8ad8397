//! Stopping: all workers drain, and are forced to end where they do not.

use std::time::Duration;

use pounce_supervisor::{Action, Command, Event, Notice, Outcome, Policy, Status};

use crate::harness::{Done, Scene, seconds, threads, workers};

fn is_terminate(action: &Action) -> bool {
    matches!(action, Action::Terminate(_))
}

fn is_unstoppable(action: &Action) -> bool {
    matches!(action, Action::Notify(Notice::Unstoppable { .. }))
}

#[test]
fn a_stop_drains_every_worker_and_ends_when_the_last_one_has() {
    let mut scene = Scene::running(workers(3));
    let done = scene.tell(Event::Shutdown);
    assert_eq!(done.0, [0, 1, 2].map(|slot| Action::Send(scene.at(slot), Command::Shutdown)));
    for slot in [1, 0] {
        let worker = scene.at(slot);
        assert_eq!(scene.drains(worker), Done::default());
    }
    let last = scene.at(2);
    assert_eq!(scene.drains(last).0, [Action::Release(0)]);
    assert_eq!(scene.tell(Event::Released(0)).0, [Action::Exit(Outcome::Stopped)]);
}

#[test]
fn nothing_happens_after_the_end() {
    let mut scene = Scene::running(workers(1));
    let worker = scene.at(0);
    scene.tell(Event::Shutdown);
    scene.drains(worker);
    scene.tell(Event::Released(0));
    let requests = [Event::Reload, Event::ScaleUp, Event::Shutdown, Event::Tick];
    let answers = [Event::Prepared(1), Event::Ended(worker, "late".into())];
    for event in requests.into_iter().chain(answers) {
        assert_eq!(scene.tell(event), Done::default());
    }
    assert_eq!(scene.machine.deadline(), None);
}

#[test]
fn a_worker_that_crashes_while_it_drains_is_not_respawned() {
    let mut scene = Scene::running(workers(2));
    let [first, second] = [0, 1].map(|slot| scene.at(slot));
    scene.tell(Event::Shutdown);
    assert_eq!(scene.fails(first, "interrupted"), Done::default());
    assert_eq!(scene.ends(first), Done::default());
    assert_eq!(scene.ends(second).0, [Action::Release(0)]);
}

#[test]
fn a_second_stop_changes_nothing() {
    let mut scene = Scene::running(workers(2));
    scene.tell(Event::Shutdown);
    let deadline = scene.machine.deadline();
    scene.pass(seconds(5));
    assert_eq!(scene.tell(Event::Shutdown), Done::default());
    assert_eq!(scene.machine.deadline(), deadline);
}

#[test]
fn a_process_that_does_not_drain_in_time_is_asked_and_then_killed() {
    let mut scene = Scene::running(workers(2));
    let [slow, quick] = [0, 1].map(|slot| scene.at(slot));
    scene.tell(Event::Shutdown);
    scene.drains(quick);
    scene.says(slow, Status::Draining);
    let (after, done) = scene.until(is_terminate);
    let timeout = Policy::default().drain_timeout;
    assert!(after >= timeout && after <= timeout + seconds(5), "{after:?}");
    assert_eq!(done.0, [Action::Terminate(slow)]);
    let (after, done) = scene.until(|_| true);
    assert_eq!((after, done.0), (seconds(2), vec![Action::Kill(slow)]));
    assert_eq!(scene.ends(slow).0, [Action::Release(0)]);
}

#[test]
fn a_process_that_cannot_even_be_killed_is_reported_and_left_behind() {
    let mut scene = Scene::running(workers(1));
    scene.tell(Event::Shutdown);
    let (_, done) = scene.until(is_unstoppable);
    let worker = scene.at(0);
    let unstoppable = Action::Notify(Notice::Unstoppable { slot: 0 });
    let force = [Action::Terminate(worker), Action::Kill(worker), unstoppable, Action::Release(0)];
    assert_eq!(done.0, force);
    assert_eq!(scene.tell(Event::Released(0)).exit(), Some(Outcome::Stopped));
}

#[test]
fn a_thread_that_does_not_drain_in_time_is_reported_and_left_behind() {
    let mut scene = Scene::running(threads(2));
    let [slow, quick] = [0, 1].map(|slot| scene.at(slot));
    scene.tell(Event::Shutdown);
    scene.drains(quick);
    let (after, done) = scene.until(is_unstoppable);
    assert!(after >= Policy::default().drain_timeout, "{after:?}");
    assert_eq!(done.0, [Action::Notify(Notice::Unstoppable { slot: 0 }), Action::Release(0)]);
    assert_eq!(scene.ends(slow), Done::default());
    assert_eq!(scene.tell(Event::Released(0)).exit(), Some(Outcome::Stopped));
}

#[test]
fn without_time_to_drain_force_comes_soon() {
    let mut scene = Scene::running(Policy { drain_timeout: Duration::ZERO, ..workers(1) });
    scene.tell(Event::Shutdown);
    let (after, _) = scene.until(is_terminate);
    assert!(after <= seconds(5), "{after:?}");
}

#[test]
fn an_application_has_its_own_time_to_shut_down_after_the_drain() {
    let policy = Policy { drain_timeout: seconds(10), shutdown_timeout: seconds(40), ..workers(1) };
    let mut scene = Scene::running(policy);
    let worker = scene.at(0);
    scene.tell(Event::Shutdown);
    scene.says(worker, Status::Draining);
    scene.pass(seconds(9));
    scene.says(worker, Status::Idle);
    assert_eq!(scene.pass(seconds(40)), Done::default());
    let (after, done) = scene.until(is_terminate);
    assert!(after <= seconds(5), "{after:?}");
    assert_eq!(done.0, [Action::Terminate(worker)]);
}

#[test]
fn a_worker_that_reports_idle_after_sigterm_gets_no_more_time() {
    let mut scene = Scene::running(workers(1));
    let worker = scene.at(0);
    scene.tell(Event::Shutdown);
    scene.until(is_terminate);
    scene.says(worker, Status::Idle);
    assert_eq!(scene.until(|_| true), (seconds(2), Done(vec![Action::Kill(worker)])));
}

#[test]
fn a_worker_that_keeps_reporting_idle_is_still_forced_to_end() {
    let mut scene = Scene::running(workers(1));
    let worker = scene.at(0);
    scene.tell(Event::Shutdown);
    let mut done = Done::default();
    for _ in 0..60 {
        done.0.extend(scene.says(worker, Status::Idle).0);
        done.0.extend(scene.pass(seconds(10)).0);
    }
    assert!(done.has(&Action::Terminate(worker)), "it never ends: {done:?}");
}

#[test]
fn workers_that_are_still_starting_are_stopped_too() {
    let mut scene = Scene::starting(workers(2));
    let [first, second] = [0, 1].map(|slot| scene.at(slot));
    let told = scene.tell(Event::Shutdown).sent();
    assert_eq!(told, [(first, Command::Shutdown), (second, Command::Shutdown)]);
    assert_eq!(scene.says(first, Status::Serving), Done::default());
    assert_eq!(scene.ends(first), Done::default());
    assert_eq!(scene.ends(second).0, [Action::Release(0)]);
    assert_eq!(scene.tell(Event::Released(0)).exit(), Some(Outcome::Stopped));
}

#[test]
fn a_stop_before_anything_is_prepared_ends_without_a_worker() {
    let mut scene = Scene::new(workers(2));
    let mut done = scene.tell(Event::Shutdown);
    done.0.extend(scene.tell(Event::Prepared(0)).0);
    done.0.extend(scene.tell(Event::Released(0)).0);
    assert_eq!(done.spawned(), [0; 0]);
    assert_eq!(done.exit(), Some(Outcome::Stopped));
}

#[test]
fn a_worker_that_was_lost_is_not_respawned_once_all_stops() {
    let mut scene = Scene::running(workers(2));
    let [first, second] = [0, 1].map(|slot| scene.at(slot));
    scene.ends(first);
    assert_eq!(scene.tell(Event::Shutdown).sent(), [(second, Command::Shutdown)]);
    assert_eq!(scene.pass(seconds(5)), Done::default());
    assert_eq!(scene.drains(second).0, [Action::Release(0)]);
}

#[test]
fn a_stop_during_a_reload_ends_both_generations() {
    let mut scene = Scene::running(workers(1));
    let old = scene.at(0);
    scene.tell(Event::Reload);
    let new = scene.tell(Event::Prepared(1)).one_spawned();
    let told = scene.tell(Event::Shutdown).sent();
    assert!(told.contains(&(old, Command::Shutdown)) && told.contains(&(new, Command::Shutdown)), "{told:?}");
    assert_eq!(scene.ends(new).0, [Action::Release(1)]);
    assert_eq!(scene.drains(old).0, [Action::Release(0)]);
    assert_eq!(scene.tell(Event::Released(0)), Done::default());
    assert_eq!(scene.tell(Event::Released(1)).0, [Action::Exit(Outcome::Stopped)]);
}

#[test]
fn a_generation_that_is_prepared_only_after_the_stop_is_released() {
    let mut scene = Scene::running(workers(1));
    let worker = scene.at(0);
    scene.tell(Event::Reload);
    scene.tell(Event::Shutdown);
    assert_eq!(scene.tell(Event::Prepared(1)).0, [Action::Release(1)]);
    scene.tell(Event::Released(1));
    assert_eq!(scene.drains(worker).0, [Action::Release(0)]);
}

#[test]
fn a_stop_waits_for_workers_of_removed_slots() {
    let mut scene = Scene::running(workers(2));
    let [first, second] = [0, 1].map(|slot| scene.at(slot));
    scene.tell(Event::ScaleDown);
    scene.tell(Event::Shutdown);
    assert_eq!(scene.drains(first), Done::default());
    assert_eq!(scene.drains(second).0, [Action::Release(0)]);
}

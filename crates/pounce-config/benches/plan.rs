//! The cost of writing and reading a worker's plan.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pounce_config::{AddressFamily, Layers, ListenerHandle, WorkerPlan};

fn plan() -> WorkerPlan {
    let layers = Layers::new().command_line([("app", ["main:app"]), ("header", ["x-a: b"])]);
    let config = layers.build().expect("a valid configuration").worker();
    let mut plan = WorkerPlan::new(config, 3, 1, vec![ListenerHandle { fd: 7, family: AddressFamily::Inet }]);
    plan.sys_path = (0..8).map(|n| format!("/usr/lib/python3.13/site-packages/{n}")).collect();
    plan
}

fn encode_and_decode(bench: &mut Criterion) {
    let plan = plan();
    let text = plan.to_json().expect("a plan that can be written");
    bench.bench_function("plan/encode", |bench| bench.iter(|| black_box(&plan).to_json()));
    bench.bench_function("plan/decode", |bench| bench.iter(|| WorkerPlan::from_json(black_box(&text))));
}

criterion_group!(benches, encode_and_decode);
criterion_main!(benches);

//! The seed corpora of the fuzz targets, run as plain tests.

#[path = "../../../fuzz/checks.rs"]
mod checks;

fn each(corpus: &str, check: fn(&[u8])) {
    let folder = format!("{}/../../fuzz/corpus/{corpus}", env!("CARGO_MANIFEST_DIR"));
    let seeds: Vec<_> = std::fs::read_dir(folder).expect("the corpus is committed").collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        let path = seed.expect("readable").path();
        check(&std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}")));
    }
}

#[test]
fn the_head_corpus_passes() {
    each("head", checks::head);
}

#[test]
fn the_chunked_corpus_passes() {
    each("chunked", checks::chunked);
}

#[test]
fn the_machine_corpus_passes() {
    each("machine", checks::machine);
}

#[test]
fn the_websocket_corpus_passes() {
    each("websocket", checks::websocket);
}

#[test]
fn the_beginning_corpus_passes() {
    each("beginning", checks::beginning);
}

#[test]
fn the_request_corpus_passes() {
    each("request", checks::request);
}

#[test]
fn the_tickets_corpus_passes() {
    each("tickets", checks::tickets);
}

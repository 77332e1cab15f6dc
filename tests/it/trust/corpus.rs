//! What fuzzing found worth keeping (`scripts/fuzz`) goes through the parsers again.

#[path = "../../fuzz/properties/mod.rs"]
mod properties;

fn replay(target: &str, hold: fn(&[u8])) {
    let folder = format!("{}/tests/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> = std::fs::read_dir(&folder).expect("the corpus").collect();
    assert!(!files.is_empty(), "{folder} is empty");
    for file in files {
        let path = file.expect("an input").path();
        println!("{}", path.display()); // shown when a property does not hold
        hold(&std::fs::read(path).expect("an input"));
    }
}

#[test]
fn json_readings() {
    replay("json", properties::json::hold);
}

#[test]
fn line_protocol() {
    replay("line_protocol", properties::line_protocol::hold);
}

#[test]
fn saved_queries() {
    replay("query", properties::query::hold);
}

#[test]
fn csv_files() {
    replay("csv", properties::csv::hold);
}

#[test]
fn items_of_context() {
    replay("context", properties::context::hold);
}

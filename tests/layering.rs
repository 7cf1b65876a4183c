//! The walls of the house: which file may import from which (src/lib.rs draws the floors). Breaking one is a red test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Room, and the rooms it may know. A room is a file or folder directly in src/.
const MAY: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("wait", &[]),
    ("sys", &["error"]),
    ("context", &["error", "sys"]),
    ("timers", &[]),
    ("slots", &["error", "sys"]),
    ("home", &["error", "sys", "slots"]),
    ("config", &["error", "sys", "context"]),
    ("reactor", &["error", "sys", "wait"]),
    ("sched", &["error", "sys", "wait", "context", "timers", "slots", "home", "config", "reactor"]),
    ("offload", &["error", "sys", "config", "slots", "home", "sched"]),
    ("io", &["error", "sys", "wait", "home", "reactor", "sched", "offload"]),
    ("sync", &["error", "sys", "wait", "sched", "home", "slots", "reactor", "io"]),
    ("structure", &["error", "sys", "wait", "sched", "home", "slots", "sync"]),
    ("fleet", &["error", "sys", "context", "config", "sched", "home", "slots", "sync"]),
    ("select", &["error", "sys", "sched", "home", "io", "sync", "fleet"]),
    ("process", &["error", "sys", "wait", "sched", "home", "slots", "reactor", "io", "offload", "sync"]),
    ("websocket", &["error", "sys"]),
    // It moves bytes as a program outside could: by what of io and offload has a gt_ name.
    ("http", &["error", "sys", "sched", "io", "offload"]),
    ("debug", &["error", "sys", "wait", "context", "config", "timers", "sched", "home", "slots", "reactor", "sync"]),
    (
        "ffi",
        &[
            "error",
            "sys",
            "context",
            "config",
            "home",
            "sched",
            "select",
            "io",
            "offload",
            "sync",
            "structure",
            "fleet",
            "process",
            "http",
            "debug",
            "websocket",
            "host",
        ],
    ),
    ("host", &["ffi"]),
    ("lib", &["config"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The lines of a file that are code.
fn code(file: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(file).expect("readable");
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//"));
    lines.map(|(i, l)| (i + 1, l.to_string())).collect()
}

fn room(file: &Path) -> String {
    let inside = file.strip_prefix(source()).expect("a file of src").to_string_lossy().into_owned();
    inside.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_string()
}

#[test]
fn every_import_goes_down_or_stays_in_its_room() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in &all {
        let from = room(file);
        let may = MAY.iter().find(|(r, _)| *r == from).unwrap_or_else(|| panic!("{from}: a room without a row")).1;
        seen.insert(from.clone());
        for (number, line) in code(file) {
            for part in line.split("crate::").skip(1) {
                let to: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                assert!(!to.is_empty(), "{}:{number}: one import a line, please", file.display());
                if to != from && !may.contains(&to.as_str()) {
                    wrong.push(format!("{}:{number}: {from} imports {to}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "walls broken:\n{}", wrong.join("\n"));
    for (room, _) in MAY {
        assert!(seen.contains(*room), "{room}: a row without a room");
    }
}

#[test]
fn only_the_python_room_knows_python() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    for file in all.iter().filter(|f| !f.starts_with(source().join("host"))) {
        for (number, line) in code(file) {
            assert!(!line.contains("PyObject"), "{}:{number}: {line}", file.display());
        }
    }
}

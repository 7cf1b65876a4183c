//! The shared library exports `gt_` names only, has its SONAME, and is never unloaded.

use std::path::PathBuf;
use std::process::Command;

/// The shared library that cargo built beside this test.
fn library() -> String {
    let here = std::env::current_exe().expect("a test has a path");
    let deps: PathBuf = here.parent().expect("in deps").to_path_buf();
    let beside = [deps.join("libgreenrt.so"), deps.parent().expect("in a profile").join("libgreenrt.so")];
    let found = beside.iter().find(|p| p.exists()).expect("cargo builds the cdylib before the integration tests");
    found.to_string_lossy().into_owned()
}

/// Names that the fault loops' seam brings (feature `fault-injection`).
const SEAM: [&str; 3] = ["gt_fault", "greenrt_fault", "__wrap_"];

fn output(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().expect("binutils come with gcc");
    assert!(out.status.success());
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn only_gt_names_are_exported() {
    let names = output("nm", &["-D", "--defined-only", &library()]);
    let names: Vec<&str> = names.lines().filter_map(|l| l.split_whitespace().nth(2)).collect();
    assert!(names.contains(&"gt_spawn") && names.len() > 60);
    for name in names {
        assert!(name.starts_with("gt_"), "{name} is exported");
    }
}

#[test]
fn the_library_has_its_name_and_stays_loaded() {
    let dynamic = output("readelf", &["-d", &library()]);
    assert!(dynamic.contains("libgreenrt.so.1"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}

#[test]
fn the_shipped_library_has_no_trace_of_the_tests_seam() {
    let shared = library();
    let archive = shared.replace("libgreenrt.so", "libgreenrt.a");
    for file in [&shared, &archive] {
        // Bytes, not nm: an archive for link-time optimisation holds code that nm does not read.
        let bytes = std::fs::read(file).expect("cargo builds both before the integration tests");
        let has = |name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
        assert!(has("gt_spawn"), "{file} has names");
        let trace = SEAM.iter().find(|name| has(name));
        assert_eq!(trace, None, "{file}");
    }
}

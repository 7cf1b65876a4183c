//! The committed header is the generated one, and declares nothing but `gt_`.

use std::path::Path;

fn committed() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/greenrt.h");
    std::fs::read_to_string(path).expect("include/greenrt.h is committed")
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let generated = std::fs::read_to_string(env!("GREENRT_HEADER")).expect("build.rs made it");
    assert!(generated == committed(), "include/greenrt.h is stale: run `make header` and commit it");
}

#[test]
fn every_function_of_the_header_starts_with_gt() {
    let code = declarations(&committed());
    let names: Vec<&str> = code
        .match_indices('(')
        .filter_map(|(i, _)| code[..i].rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next())
        .filter(|n| !n.is_empty() && *n != "void")
        .collect();
    assert!(names.len() > 60, "the header was parsed: {}", names.len());
    for name in names {
        assert!(name.starts_with("gt_"), "{name} does not start with gt_");
    }
}

#[test]
fn each_blocking_verb_has_both_doors() {
    let header = declarations(&committed());
    let verbs = "recv send send_all recvfrom sendto recvmsg sendmsg read write readv writev accept connect listen_tcp \
                 dial_tcp wait_fd poll join park sleep shutdown";
    for name in verbs.split_whitespace() {
        assert!(header.contains(&format!("gt_{name}(")), "gt_{name}");
        assert!(header.contains(&format!("gt_{name}_until(")), "gt_{name}_until");
    }
}

#[test]
fn the_header_says_the_version_of_the_crate() {
    assert!(committed().contains(&format!("#define GT_VERSION \"{}\"", env!("CARGO_PKG_VERSION"))));
}

/// The header without comments, preprocessor lines and struct bodies.
fn declarations(header: &str) -> String {
    let mut out = String::new();
    let mut rest = header;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        rest = rest[start..].split_once("*/").expect("comments are closed").1;
    }
    out.push_str(rest);
    let lines = out.lines().filter(|l| !l.starts_with('#') && !l.starts_with("    ") && !l.starts_with("typedef"));
    lines.map(|l| l.split("//").next().unwrap_or(l)).collect::<Vec<_>>().join("\n")
}

//! The house: which crate may lean on which, and the habits that can be checked.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every crate of the house with the crates of the house that it needs to be built.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let house: BTreeSet<_> = packages.iter().map(|package| text(&package["name"])).collect();
    packages
        .iter()
        .map(|package| {
            let needs = package["dependencies"].as_array().unwrap().iter();
            let needs = needs.filter(|need| text(&need["kind"]) != "dev");
            let needs = needs.map(|need| text(&need["name"])).filter(|name| house.contains(name));
            (text(&package["name"]), needs.collect())
        })
        .collect()
}

/// functions → environment → {runtime, stores} → events. No function leans on a function; only what assembles a
/// process (a function's `main.rs`, the local stack, the commands, benchmarks) names an adapter.
#[test]
fn dependencies_point_inward() {
    const EVENTS: &str = "questline-events";
    const STORES: &str = "questline-stores";
    const RUNTIME: &str = "questline-runtime";
    const ENVIRONMENT: &str = "questline-environment";
    const ADAPTERS: [&str; 6] = [
        "questline-log-kafka",
        "questline-log-sqlite",
        "questline-warehouse-duckdb",
        "questline-warehouse-bigquery",
        "questline-google",
        "questline-pubsub",
    ];
    const FUNCTIONS: [&str; 6] = [
        "questline-daily-aggregate",
        "questline-dashboard",
        "questline-dlq-reprocess",
        "questline-ingest",
        "questline-ml-trigger",
        "questline-process",
    ];
    const CLIENT: [&str; 2] = ["questline-client", "questline-players"];
    let allowed = |name: &str| -> Vec<&str> {
        match name {
            EVENTS | RUNTIME | "questline-client" | "questline-players" | "questline-testing" => {
                vec![]
            }
            STORES => vec![EVENTS, "questline-testing"],
            name if ADAPTERS.contains(&name) => vec![EVENTS, STORES],
            ENVIRONMENT => [&[EVENTS, STORES, RUNTIME], &ADAPTERS[..]].concat(),
            "questline-ml-trigger" => {
                [&[EVENTS, STORES, RUNTIME, ENVIRONMENT], &ADAPTERS[4..]].concat()
            }
            name if FUNCTIONS.contains(&name) => {
                [&[EVENTS, STORES, RUNTIME, ENVIRONMENT], &ADAPTERS[2..4]].concat()
            }
            "questline-simulation" => {
                [&[EVENTS, STORES, RUNTIME, ENVIRONMENT], &FUNCTIONS[..]].concat()
            }
            "questline-cli" => [&[EVENTS, STORES, RUNTIME], &ADAPTERS[..], &CLIENT[..]].concat(),
            "questline-stack" | "questline-bench" => {
                let kafka = ["questline-testing"];
                [
                    &[EVENTS, STORES, RUNTIME, ENVIRONMENT],
                    &ADAPTERS[..],
                    &FUNCTIONS[..],
                    &CLIENT[..],
                    &kafka,
                ]
                .concat()
            }
            other => panic!("{other} has no place in the house: give it one here"),
        }
    };
    for (name, needs) in edges() {
        let allowed = allowed(&name);
        for need in needs {
            assert!(allowed.contains(&need.as_str()), "{name} must not lean on {need}");
        }
    }
}

/// The files of the project that git knows, or would.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().map(|line| root().join(line)).filter(|path| path.is_file()).collect()
}

fn sources() -> impl Iterator<Item = (PathBuf, String)> {
    let rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files().into_iter().filter(rust).map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    })
}

#[test]
fn only_main_names_an_adapter() {
    for (path, text) in sources() {
        let inside = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let function = inside.starts_with("functions/") && inside.contains("/src/");
        let adapters = [
            "questline_log_kafka",
            "questline_log_sqlite",
            "questline_warehouse_duckdb",
            "questline_warehouse_bigquery",
            "questline_google",
            "questline_pubsub",
        ];
        let names = adapters.iter().any(|adapter| text.contains(adapter));
        assert!(!function || !names || inside.ends_with("main.rs"), "{inside} names an adapter");
    }
}

/// C is called where its library has no binding, and nowhere else.
#[test]
fn one_file_is_unsafe() {
    let word = ["unsafe", "_code"].concat();
    let named: Vec<_> = sources()
        .filter(|(_, text)| text.contains(&word))
        .map(|(path, _)| path.strip_prefix(root()).unwrap().to_owned())
        .collect();
    assert_eq!(named, [Path::new("shared/stores/kafka/src/native.rs")]);
}

#[test]
fn files_are_short() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        let most = if path.ends_with("main.rs") { 70 } else { 500 };
        assert!(lines <= most, "{}: {lines} lines", path.display());
    }
}

#[test]
fn the_top_level_is_what_it_is_said_to_be() {
    let tops: BTreeSet<_> = files()
        .iter()
        .map(|path| {
            path.strip_prefix(root()).unwrap().iter().next().unwrap().to_str().unwrap().to_owned()
        })
        .filter(|name| !name.starts_with('.'))
        .collect();
    let expected = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "clippy.toml",
        "deny.toml",
        "functions",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "scripts",
        "shared",
        "sql",
        "terraform",
        "tests",
    ];
    assert_eq!(tops, expected.map(str::to_owned).into());
}

/// `scripts/test` names the tests of the whole system one by one: one that it does not name never runs.
#[test]
fn every_test_of_the_system_is_run() {
    let script = fs::read_to_string(root().join("scripts/test")).unwrap();
    let naming = script.lines().filter(|line| line.contains("(only ") || line.contains(" --test "));
    let named: BTreeSet<_> = naming.flat_map(|line| line.split([' ', ')'])).collect();
    let tests = root().join("tests");
    for path in files().iter().filter(|path| path.parent() == Some(&*tests)) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let rust = path.extension().is_some_and(|extension| extension == "rs");
        assert!(!rust || named.contains(name), "scripts/test does not run {}", path.display());
    }
}

/// Links of Markdown files to files of the project, and files that a README names in backquotes.
#[test]
fn links_lead_somewhere() {
    for path in files().iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if !target.is_empty() && !target.contains("://") {
                let found = path.parent().unwrap().join(target);
                assert!(found.exists(), "{} links to {link}", path.display());
            }
        }
    }
}

/// The project speaks of itself alone: no path of one machine.
#[test]
fn nothing_names_a_machine() {
    let home = ["/ro", "ot/"].concat();
    let work = ["/wo", "rk/"].concat();
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for name in [&home, &work] {
            assert!(!text.contains(name.as_str()), "{} names {name}", path.display());
        }
    }
}

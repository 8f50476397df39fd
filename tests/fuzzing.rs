//! A client that others made reads `/openapi.json` and tries what it promises, and what it forbids.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{path::Path, process::Command};

use serde_json::Value;
use support::Stack;

#[tokio::test]
async fn a_fuzzing_client_finds_the_server_as_it_is_described() {
    let Some(programs) = std::env::var_os("QUESTLINE_FUZZER") else {
        questline_testing::skip("fuzzing", "QUESTLINE_FUZZER is not set: run scripts/test");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    let served = reqwest::get(format!("{}/openapi.json", stack.url)).await.unwrap();
    let served = served.text().await.unwrap();
    // Read from its address, it would leave that one operation out.
    let description = folder.path().join("openapi.json");
    std::fs::write(&description, &served).unwrap();
    let fuzzer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/fuzzer");
    let examples = if questline_testing::long() { "500" } else { "30" };
    let seed = questline_testing::seed().to_string();
    let output = Command::new(Path::new(&programs).join("schemathesis"))
        .arg("--config-file")
        .arg(fuzzer.join("schemathesis.toml"))
        .arg("run")
        .arg(&description)
        .args(["--url", &stack.url, "--header", "X-Api-Key: local"])
        .args(["--max-examples", examples, "--seed", &seed, "--generation-database", "none"])
        .env("SCHEMATHESIS_HOOKS", fuzzer.join("checks.py"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));

    let described: Value = serde_json::from_str(&served).unwrap();
    let paths = described["paths"].as_object().unwrap().values();
    let operations: usize = paths.map(|path| path.as_object().unwrap().len()).sum();
    for line in
        [format!("  Selected: {operations}/{operations}"), format!("  Tested: {operations}")]
    {
        assert!(said.lines().any(|found| found == line), "{line} is not in: {said}");
    }
    let cases = said.lines().skip_while(|line| *line != "Test cases:").nth(1).unwrap();
    println!("{operations} operations, {}", cases.trim());
}

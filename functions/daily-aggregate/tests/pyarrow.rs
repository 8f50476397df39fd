//! What is exported is what others read.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::process::Command;

use questline_testing::skip;
use serde_json::{Value, json};
use support::{Place, day, play};

const READ: &str = "
import hashlib, json, pathlib, sys
import pyarrow.parquet as parquet
folder = pathlib.Path(sys.argv[1])
manifest = json.loads((folder / 'manifest.json').read_text())
file = folder / manifest['files'][0]['path']
table = parquet.read_table(file)
print(json.dumps({
    'hash': hashlib.sha256(file.read_bytes()).hexdigest() == manifest['files'][0]['sha256'],
    'rows': table.num_rows == manifest['rows'],
    'columns': table.column_names == [column['name'] for column in manifest['schema']],
    'levels': table.to_pylist(),
}))
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_are_read_back_by_pyarrow() {
    let Some(python) = std::env::var_os("QUESTLINE_PYTHON") else {
        return skip("pyarrow", "QUESTLINE_PYTHON is not set");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), "2024-03-01T02:00:00Z");
    place.events(&play()).await;
    place.close_ledger("2024-03-01T00:10:00Z").await;
    place.run(day("2024-02-29")).await.unwrap();
    let read = Command::new(std::path::Path::new(&python).join("python"))
        .args(["-c", READ])
        .arg(folder.path().join("features/level_features/2024-02-29"))
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    for same in ["hash", "rows", "columns"] {
        assert_eq!(read[same], true, "{same}");
    }
    let expected = json!([
        {"app_id": "a", "level_id": "1", "pass_rate": 2.0 / 3.0, "avg_moves": 15.0,
         "p95_moves": 20, "retry_rate": 1.0 / 3.0, "booster_usage_rate": 0.0},
        {"app_id": "a", "level_id": "starts", "pass_rate": 0.0, "avg_moves": null,
         "p95_moves": null, "retry_rate": 0.0, "booster_usage_rate": 0.0},
        {"app_id": "a", "level_id": "wins", "pass_rate": 1.0, "avg_moves": 7.0, "p95_moves": 7,
         "retry_rate": null, "booster_usage_rate": 0.0}
    ]);
    assert_eq!(read["levels"], expected);
}

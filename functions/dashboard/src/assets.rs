//! The page's files, shipped inside, compressed once.

use std::{io::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, write::GzEncoder};
use questline_runtime::problem::Problem;
use sha2::{Digest as _, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    zipped: Vec<u8>,
    tag: String,
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../page/", $name)))),+]
    };
}

const FILES: &[(&str, &[u8])] = files![
    "alerts.js",
    "browser.js",
    "docs.html",
    "docs.js",
    "dom.js",
    "filters.js",
    "form.js",
    "format.js",
    "icon.svg",
    "index.html",
    "ledger.js",
    "letters.js",
    "levels.js",
    "main.js",
    "minutes.js",
    "panel.js",
    "players.js",
    "plot.js",
    "pulse.js",
    "runs.js",
    "source.js",
    "style.css",
    "types.js",
    "vendor/uplot.css",
    "vendor/uplot.js",
];

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| FILES.iter().map(asset).collect());

fn asset((name, plain): &(&'static str, &'static [u8])) -> Asset {
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to a Vec cannot fail.
    let zipped = gzip.write_all(plain).and_then(|()| gzip.finish()).unwrap_or_default();
    let tag: String = Sha256::digest(plain).iter().map(|byte| format!("{byte:02x}")).collect();
    Asset { name, kind, plain, zipped, tag: format!("\"{tag}\"") }
}

pub(crate) async fn index(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

pub(crate) async fn docs(headers: HeaderMap) -> Response {
    serve("docs.html", &headers)
}

pub(crate) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        let detail = format!("the page has no file `{name}`");
        return Problem::new(StatusCode::NOT_FOUND, "file", detail).into_response();
    };
    let said = |name: header::HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let always = [
        (header::CONTENT_TYPE, asset.kind),
        (header::ETAG, &asset.tag),
        // Another release has other files: they are asked for each time, and sent if they differ.
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept-encoding"),
    ];
    if said(header::IF_NONE_MATCH) == asset.tag {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    if said(header::ACCEPT_ENCODING).contains("gzip") {
        let gzip = [(header::CONTENT_ENCODING, "gzip")];
        return (always, gzip, asset.zipped.clone()).into_response();
    }
    (always, asset.plain).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser fetches before the first paint, and all of it.
    #[test]
    fn the_page_is_light() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.zipped.len()).sum();
        assert!((10_000..150_000).contains(&bytes), "{bytes} bytes");
    }

    #[test]
    fn every_file_of_the_page_is_shipped() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let names = |folder: &std::path::Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
            let files = entries.filter(|entry| entry.path().is_file());
            files.map(|entry| entry.file_name().into_string().unwrap()).collect()
        };
        let mut found = names(&folder);
        let vendor = names(&folder.join("vendor")).into_iter();
        let unserved = ["LICENSE", "SHA256SUMS"];
        let vendor = vendor.filter(|name| !unserved.contains(&name.as_str()));
        found.extend(vendor.map(|name| format!("vendor/{name}")));
        found.sort_unstable();
        let shipped: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(shipped, found);
    }

    #[test]
    fn what_others_made_is_as_they_made_it() {
        let vendor = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("page/vendor");
        let sums = std::fs::read_to_string(vendor.join("SHA256SUMS")).unwrap();
        assert_eq!(sums.lines().count(), 3);
        for line in sums.lines() {
            let (sum, name) = line.split_once("  ").unwrap();
            let bytes = std::fs::read(vendor.join(name)).unwrap();
            let hex: String =
                Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, sum, "{name}");
        }
    }
}

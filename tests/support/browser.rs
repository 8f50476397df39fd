//! A headless Chromium, driven by the W3C WebDriver protocol: a handful of requests, so that no
//! crate is needed for them.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the page may take to become what it is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What the protocol calls a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// What a document is asked by tests: `look`.
const LOOKS: &str = include_str!("looks.js");

/// A browser with one page. It ends when it is dropped.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    profile: Option<TempDir>,
}

impl Browser {
    /// Starts one; `None`, and a visible skip, where there is none.
    pub(crate) async fn start(width: u32, height: u32) -> Option<Self> {
        let port = questline_testing::free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(driver) = command.spawn() else {
            questline_testing::skip("browser", "chromedriver is not on this machine");
            return None;
        };
        let (http, url) = (reqwest::Client::new(), format!("http://127.0.0.1:{port}"));
        let mut browser = Self { driver, session: url.clone(), http, profile: None };
        let began = Instant::now();
        while browser.http.get(format!("{url}/status")).send().await.is_err() {
            assert!(began.elapsed() < PATIENCE, "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut session = Value::Null;
        // On a busy machine the first may not come up in time.
        for _ in 0..3 {
            session = browser.begin(width, height).await;
            if session["sessionId"].is_string() {
                break;
            }
        }
        let id = session["sessionId"].as_str().unwrap_or_else(|| panic!("{session}"));
        browser.session = format!("{url}/session/{id}");
        let looks = json!({ "source": LOOKS });
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", looks).await;
        Some(browser)
    }

    /// Asks for a browser with a profile of its own.
    async fn begin(&mut self, width: u32, height: u32) -> Value {
        let profile = self.profile.insert(tempfile::tempdir().unwrap());
        let profile = profile.path().display().to_string();
        let options = json!({ "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--hide-scrollbars", format!("--user-data-dir={profile}"),
            format!("--window-size={width},{height}"),
        ] });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" } });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
        self.post("/session", wanted).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        answered(self.http.post(format!("{}{path}", self.session)).json(&body)).await
    }

    async fn get(&self, path: &str) -> Value {
        answered(self.http.get(format!("{}{path}", self.session))).await
    }

    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// What a function body gives.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let value = self.post("/execute/sync", json!({ "script": script, "args": [] })).await;
        assert!(value["error"].is_null(), "{script}: {value}");
        value
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, what: &str, expression: &str) -> Duration {
        let (began, script) = (Instant::now(), patient(&format!("return Boolean({expression})")));
        loop {
            let found = self.run(&script).await;
            if found == true {
                return began.elapsed();
            }
            let page = "return document.body.innerText.slice(0, 3000)";
            assert!(began.elapsed() < PATIENCE, "{what}: {found} on {}", self.run(page).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a function body gives this.
    pub(crate) async fn gives(
        &self,
        what: &str,
        body: &str,
        wanted: &Value,
        patience: Duration,
    ) -> Duration {
        let (began, body) = (Instant::now(), patient(body));
        loop {
            let found = self.run(&body).await;
            if found == *wanted {
                return began.elapsed();
            }
            assert!(began.elapsed() < patience, "{what}, after {patience:?}: {found:#}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A command of the browser's own protocol.
    pub(crate) async fn devtools(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        let answer = self.post("/goog/cdp/execute", body).await;
        assert!(answer["error"].is_null(), "{command}: {answer}");
        answer
    }

    /// Another screen. On one that is high enough, all panels are in sight.
    pub(crate) async fn screen(&self, width: u32, height: u32, phone: bool) {
        let screen =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// What a person prefers: `light` or `dark`.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Presses the Tab key, again and again.
    pub(crate) async fn tab(&self, times: usize) {
        let press = ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": "\u{e004}" }));
        let presses: Vec<_> = std::iter::repeat_n(press, times).flatten().collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": presses });
        let done = self.post("/actions", json!({ "actions": [keyboard] })).await;
        assert!(done.is_null(), "{done}");
    }

    /// The elements that an expression gives: the markup of each, and its name for a screen reader.
    pub(crate) async fn names(&self, elements: &str) -> Vec<(String, String)> {
        let script = format!("return {elements}.map(e => [e.cloneNode().outerHTML, e])");
        let began = Instant::now();
        'anew: loop {
            let mut names = Vec::new();
            for found in self.run(&script).await.as_array().unwrap() {
                let (markup, element) = (found[0].to_string(), found[1][ELEMENT].as_str().unwrap());
                let label = self.get(&format!("/element/{element}/computedlabel")).await;
                // A panel was drawn anew meanwhile.
                if label["error"] == "stale element reference" && began.elapsed() < PATIENCE {
                    continue 'anew;
                }
                let name = label.as_str().unwrap_or_else(|| panic!("{markup}: {label}"));
                names.push((markup, name.to_owned()));
            }
            return names;
        }
    }

    /// What the browser complained of.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({ "type": "browser" })).await;
        let severe = |entry: &Value| entry["level"] == "SEVERE";
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().filter(|entry| severe(entry)).map(|e| e["message"].to_string()).collect()
    }

    /// Keeps a picture where `QUESTLINE_SCREENSHOTS` names a folder, for people to look at.
    pub(crate) async fn picture(&self, name: &str) {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let Some(folder) = std::env::var_os("QUESTLINE_SCREENSHOTS") else { return };
        let size = self.run("return [innerWidth, document.documentElement.scrollHeight]").await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let params = json!({ "captureBeyondViewport": true, "clip": clip });
        let picture = self.devtools("Page.captureScreenshot", params).await;
        let bytes = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(name), bytes).unwrap();
    }
}

/// What the driver answers.
async fn answered(request: reqwest::RequestBuilder) -> Value {
    let answer = request.timeout(PATIENCE).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["value"].take()
}

/// A function body for which a page that is not yet there is no error.
fn patient(body: &str) -> String {
    format!("try {{ {body} }} catch (error) {{ return String(error) }}")
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its driver's session, or, where that is gone, with its driver.
        let mut end = Command::new("curl");
        end.args(["-s", "-m", "5", "-X", "DELETE", &self.session]).stdout(Stdio::null());
        _ = end.status();
        _ = self.driver.kill();
        _ = self.driver.wait();
    }
}

//! AWS on loopback: moto's server, for tests.

use std::{
    fs::File,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{free_port, until};

/// A server with nothing in it. Dropping it kills it.
#[derive(Debug)]
pub struct Aws {
    /// Where it listens.
    pub url: String,
    process: Child,
}

impl Aws {
    /// Starts it; none where it is not installed. What it says goes to `aws.log` in the folder.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(folder: &Path) -> Option<Self> {
        let tools = std::env::var_os("QUESTLINE_PYTHON").map(PathBuf::from)?;
        let tool = Some(tools.join("moto_server")).filter(|tool| tool.exists())?;
        let (port, log) = (free_port(), File::create(folder.join("aws.log")).expect("its log"));
        let mut command = Command::new(tool);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("its log")).stderr(log);
        let process = command.spawn().expect("the server starts");
        let aws = Self { url: format!("http://127.0.0.1:{port}"), process };
        let listens = || TcpStream::connect(("127.0.0.1", port)).ok();
        until("AWS listens", Duration::from_secs(60), listens);
        Some(aws)
    }

    /// The variables of whoever is to speak with it.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    /// The header by which it knows which service a call is for; it asks for no right signature.
    #[must_use]
    pub fn authorization(service: &str) -> String {
        let scope = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
        format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0")
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

//! Apache Kafka itself, one broker on loopback, for tests.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::until;

/// A broker with a directory of its own. Dropping it kills it.
#[derive(Debug)]
pub struct Kafka {
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
}

/// The broker's memory: it shares the machine with what is tested.
const MEMORY: &str = "-Xmx512m";

impl Kafka {
    /// Starts a broker on a fresh directory.
    ///
    /// # Panics
    /// If `QUESTLINE_KAFKA` does not name its jars, or if it does not start.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let (port, controller) = (free_port(), free_port());
        let data = folder.join("data");
        fs::create_dir_all(&data).expect("a directory for the broker");
        let properties = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             log.dirs={}\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=4\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\n\
             log.initial.task.delay.ms=86400000\n",
            data.display()
        );
        fs::write(folder.join("server.properties"), properties).expect("the broker's settings");
        let mut kafka = Self { folder: folder.to_owned(), port, process: None };
        let id = format!("questline{:013}", fastrand::u64(..10_000_000_000_000));
        let formatted = kafka
            .java(&["kafka.tools.StorageTool", "format", "-t", &id, "-c"])
            .status()
            .expect("java starts");
        assert!(formatted.success(), "the broker's directory is formatted");
        kafka.restart();
        kafka
    }

    /// `host:port`.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills the broker with -9.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            _ = process.kill();
            _ = process.wait();
        }
    }

    /// Starts it again, on the same directory and port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let process = self.java(&["kafka.Kafka"]).spawn().expect("java starts");
        self.process = Some(process);
        until("the broker listens", Duration::from_secs(60), || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()
        });
    }

    /// Java with the broker's classes; the settings are the last argument.
    fn java(&self, arguments: &[&str]) -> Command {
        let jars = std::env::var("QUESTLINE_KAFKA").expect("QUESTLINE_KAFKA: see scripts/setup");
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log"));
        let log = log.expect("the broker's log");
        let mut command = Command::new("java");
        command
            .args([MEMORY, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"])
            .arg(format!("{jars}/*"))
            .args(arguments)
            .arg(self.folder.join("server.properties"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the broker's log"))
            .stderr(log);
        command
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody has at the moment: a broker has to know its own before it listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

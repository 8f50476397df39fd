//! Apache Kafka itself, one broker on loopback, for tests.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{free_port, until};

/// A broker with a directory of its own. Dropping it kills it.
#[derive(Debug)]
pub struct Kafka {
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
    /// Keeps the name spaces in which the broker's disk is a small one.
    keeper: Option<Child>,
}

/// Whom a guarded broker lets in.
pub const USER: &str = "questline";
/// By what it knows them. Java takes no shorter one for a key store.
pub const PASSWORD: &str = "no-secret";

/// How a guarded broker knows whom to let in, also itself; others do not look at it.
const GUARD: &str = "sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN,OAUTHBEARER\n\
    sasl.mechanism.inter.broker.protocol=PLAIN\n\
    listener.name.clients.scram-sha-512.sasl.jaas.config=\
    org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
    listener.name.clients.plain.sasl.jaas.config=\
    org.apache.kafka.common.security.plain.PlainLoginModule required \
    username=\"questline\" password=\"no-secret\" user_questline=\"no-secret\";\n\
    listener.name.clients.oauthbearer.sasl.jaas.config=\
    org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;\n\
    ssl.keystore.type=PKCS12\nssl.keystore.location=broker.p12\nssl.keystore.password=no-secret\n\
    ssl.truststore.type=PEM\nssl.truststore.location=certificate.pem\n";

/// The broker's memory: it shares the machine with what is tested.
const MEMORY: &str = "-Xmx512m";

impl Kafka {
    /// Starts a broker on a fresh directory.
    ///
    /// # Panics
    /// If `QUESTLINE_KAFKA` does not name its jars, or if it does not start.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        fs::create_dir_all(data(folder)).expect("a directory for the broker");
        Self::start_in(folder, None, false, None)
    }

    /// Starts a broker that tells its clients to come to another port: to whoever stands between.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_behind(folder: &Path, port: u16) -> Self {
        fs::create_dir_all(data(folder)).expect("a directory for the broker");
        Self::start_in(folder, None, false, Some(port))
    }

    /// Starts a broker that lets in whoever signs in over TLS as [`USER`] with [`PASSWORD`], by
    /// SCRAM-SHA-512 or as they are, and whoever has a token, signed by nobody. Its certificate is
    /// in `certificate.pem` in the folder.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_guarded(folder: &Path) -> Self {
        fs::create_dir_all(data(folder)).expect("a directory for the broker");
        let store = ["-keystore", "broker.p12", "-storepass", PASSWORD, "-alias", "broker"];
        let make = ["-genkeypair", "-keyalg", "RSA", "-dname", "CN=broker", "-ext"];
        let show = ["-exportcert", "-rfc", "-file", "certificate.pem"];
        for arguments in [[&make[..], &["san=ip:127.0.0.1"]].concat(), show.to_vec()] {
            let mut keytool = Command::new("keytool");
            let quiet = keytool.stdout(Stdio::null()).stderr(Stdio::null()).current_dir(folder);
            let status = quiet.args(arguments).args(store).status();
            assert!(status.is_ok_and(|status| status.success()), "a certificate");
        }
        Self::start_in(folder, None, true, None)
    }

    /// Starts a broker whose disk is a file system of its own, of this size in MB. None where name
    /// spaces with mounts are not permitted.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_on_small_disk(folder: &Path, megabytes: u32) -> Option<Self> {
        fs::create_dir_all(data(folder)).expect("a directory for the broker");
        let script = "mount -t tmpfs -o size=$2m none \"$1\" && echo ready && exec sleep infinity";
        let mut keeper = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
            .arg(data(folder))
            .arg(megabytes.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = String::new();
        let out = keeper.stdout.take().map(BufReader::new);
        _ = out.map(|mut out| out.read_line(&mut said));
        if said.trim() == "ready" {
            return Some(Self::start_in(folder, Some(keeper), false, None));
        }
        _ = keeper.kill();
        _ = keeper.wait();
        None
    }

    fn start_in(folder: &Path, keeper: Option<Child>, guarded: bool, told: Option<u16>) -> Self {
        let (port, controller) = (free_port(), free_port());
        let told = told.unwrap_or(port);
        let clients = if guarded { "SASL_SSL" } else { "PLAINTEXT" };
        let properties = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=CLIENTS://127.0.0.1:{told}\n\
             inter.broker.listener.name=CLIENTS\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,CLIENTS:{clients}\n\
             {GUARD}\
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
            data(folder).display()
        );
        fs::write(folder.join("server.properties"), properties).expect("the broker's settings");
        let mut kafka = Self { folder: folder.to_owned(), port, process: None, keeper };
        let id = format!("questline{:013}", fastrand::u64(..10_000_000_000_000));
        let user = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
        let formatted = kafka
            .java(&["kafka.tools.StorageTool", "format", "-t", &id, "--add-scram", &user, "-c"])
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
        until("the broker listens", Duration::from_secs(180), || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()
        });
    }

    /// Gives the small disk another size in MB.
    ///
    /// # Panics
    /// If the broker has no small disk.
    pub fn resize_disk(&self, megabytes: u32) {
        let size = format!("remount,size={megabytes}m");
        let mut mount = self.inside("mount");
        let status = mount.args(["-o", &size]).arg(data(&self.folder)).status();
        assert!(status.is_ok_and(|status| status.success()), "the disk has another size");
    }

    /// Sends the broker a signal.
    ///
    /// # Panics
    /// If it does not run.
    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("a broker").id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &process]).status();
        assert!(status.is_ok_and(|status| status.success()), "the broker has the signal");
    }

    /// A program in the broker's name spaces.
    fn inside(&self, program: &str) -> Command {
        let Some(keeper) = &self.keeper else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        let target = keeper.id().to_string();
        command.args(["--target", &target, "--user", "--mount", "--preserve-credentials", program]);
        command
    }

    /// Java with the broker's classes; the settings are the last argument.
    fn java(&self, arguments: &[&str]) -> Command {
        let jars = std::env::var("QUESTLINE_KAFKA").expect("QUESTLINE_KAFKA: see scripts/setup");
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log"));
        let log = log.expect("the broker's log");
        let mut command = self.inside("java");
        command
            .current_dir(&self.folder)
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
        if let Some(mut keeper) = self.keeper.take() {
            _ = keeper.kill();
            _ = keeper.wait();
        }
    }
}

/// Where a broker keeps its logs.
fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

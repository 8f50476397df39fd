//! Where a Kafka is, how one signs in, and what the clients are told, each with its reason.

use std::{fmt, time::Duration};

use questline_events::limits::{
    APPEND_QUEUE_BYTES, FETCH_BYTES, FETCH_QUEUE_BYTES, LETTER_BYTES, STREAM_BATCH_RECORDS,
};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use uuid::Uuid;

/// So long the brokers wait for an instance that has a name.
pub(crate) const SESSION: Duration = Duration::from_secs(45);

/// Where a Kafka is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// How one signs in.
    pub sign_in: SignIn,
    /// A file of certificates to trust; without it the system's are.
    pub certificates: Option<String>,
    /// The name of this instance, the same after every start, and no other's: one that comes back
    /// under its name goes on at once, instead of after its session's end.
    pub instance: Option<String>,
}

/// How one signs in to a Kafka.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SignIn {
    /// Not at all, and nothing is encrypted.
    #[default]
    None,
    /// User and password over TLS, as SCRAM-SHA-512.
    Scram(Password),
    /// User and password over TLS, as they are.
    Plain(Password),
    /// Google Cloud's identity of this process over TLS: Managed Service for Apache Kafka. Its
    /// service account's address is told, for the token names it.
    Google(String),
}

/// A user and a password, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Password").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {why}")]
pub struct Unusable {
    name: &'static str,
    why: String,
}

impl Settings {
    /// A Kafka at `brokers`, without more.
    #[must_use]
    pub fn at(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            sign_in: SignIn::None,
            certificates: None,
            instance: None,
        }
    }

    /// Reads `QUESTLINE_KAFKA_SIGN_IN` (`none`, `scram`, `plain` or `google`), `…_USER`,
    /// `…_PASSWORD`, `…_CERTIFICATES` (a file) and `…_INSTANCE` for a Kafka at `brokers`.
    ///
    /// # Errors
    /// Names the variable that cannot be used.
    pub fn read(
        brokers: &str,
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, Unusable> {
        let needed = |name: &'static str| {
            get(name).ok_or_else(|| Unusable {
                name,
                why: "the way to sign in needs it, and it is not set".to_owned(),
            })
        };
        let password = || {
            Ok::<_, Unusable>(Password {
                user: needed("QUESTLINE_KAFKA_USER")?,
                password: needed("QUESTLINE_KAFKA_PASSWORD")?,
            })
        };
        let sign_in = match get("QUESTLINE_KAFKA_SIGN_IN").as_deref().unwrap_or("none") {
            "none" => SignIn::None,
            "scram" => SignIn::Scram(password()?),
            "plain" => SignIn::Plain(password()?),
            "google" => SignIn::Google(needed("QUESTLINE_KAFKA_USER")?),
            other => {
                let why = format!("`{other}` is none of none, scram, plain and google");
                return Err(Unusable { name: "QUESTLINE_KAFKA_SIGN_IN", why });
            }
        };
        let certificates = get("QUESTLINE_KAFKA_CERTIFICATES");
        let instance = get("QUESTLINE_KAFKA_INSTANCE");
        Ok(Self { sign_in, certificates, instance, ..Self::at(brokers) })
    }

    /// Every broker is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.brokers.split(',').all(|broker| {
            let host = broker.trim().rsplit_once(':').map_or(broker, |(host, _)| host);
            ["127.0.0.1", "localhost", "[::1]"].contains(&host.trim())
        })
    }

    /// What every client is told.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set_log_level(RDKafkaLogLevel::Warning)
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "questline")
            // Topics are made on purpose, with their partitions.
            .set("allow.auto.create.topics", "false")
            // A broker that comes back is found within 2 s, not within 10 s.
            .set("reconnect.backoff.max.ms", "2000")
            // What was asked of a broker that died with the question is asked again this soon, in
            // milliseconds, not after 5 minutes.
            .set("topic.metadata.refresh.interval.ms", "10000")
            // Balancers drop what is idle; a dead peer is noticed.
            .set("socket.keepalive.enable", "true");
        if let Some(file) = &self.certificates {
            config.set("ssl.ca.location", file);
        }
        let (mechanism, password) = match &self.sign_in {
            SignIn::None => return config,
            SignIn::Scram(password) => ("SCRAM-SHA-512", Some(password)),
            SignIn::Plain(password) => ("PLAIN", Some(password)),
            SignIn::Google(_) => ("OAUTHBEARER", None),
        };
        config.set("security.protocol", "SASL_SSL").set("sasl.mechanisms", mechanism);
        if let Some(Password { user, password }) = password {
            config.set("sasl.username", user).set("sasl.password", password);
        }
        config
    }

    /// What a producer is told: contract, section 2.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            // `stored` means that the in-sync replicas have it.
            .set("acks", "all")
            // A retry of the client's own is no second record, and never overtakes.
            .set("enable.idempotence", "true")
            // Ten milliseconds gather a batch; 128 KB of it compress to one packet or two.
            .set("linger.ms", "10")
            .set("batch.size", "131072")
            .set("compression.type", "lz4")
            // By the key's CRC-32, as the embedded log does; records without one are spread.
            .set("partitioner", "consistent_random")
            // Followed this long to the last delivery report: after that it is unknown.
            .set("delivery.timeout.ms", "30000")
            // Backpressure, not memory: what finds no room is refused at once.
            .set("queue.buffering.max.kbytes", (APPEND_QUEUE_BYTES >> 10).to_string())
            .set("queue.buffering.max.messages", "0")
            .set("message.max.bytes", LETTER_BYTES.to_string());
        config
    }

    /// What a transactional producer is told besides. An instance that comes back under its name
    /// fences what it left behind.
    pub(crate) fn transactional(&self, group: &str) -> ClientConfig {
        let mut config = self.producer();
        let instance = self.instance.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        config
            .set("transactional.id", format!("questline.{group}.{instance}"))
            // What a dead process left open holds up readers no longer than this.
            .set("transaction.timeout.ms", "30000")
            // A batch of processing is sent when all of it is there: one message set a partition.
            // While one is on its way and the next one is due, librdkafka's thread knows no rest.
            .set("linger.ms", "1000")
            .set("batch.size", "1000000")
            // What becomes of single records is the transaction's fate: nobody reads their reports.
            .set("delivery.report.only.error", "true");
        config
    }

    /// What a member of a group is told.
    pub(crate) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.reader(group);
        config
            // Who keeps its partitions goes on while others change hands.
            .set("partition.assignment.strategy", "cooperative-sticky")
            // A slow warehouse may hold a batch this long before the partitions go.
            .set("max.poll.interval.ms", "300000");
        match &self.instance {
            Some(instance) => {
                // It is waited for: its partitions stay where they are through a restart.
                let session = SESSION.as_millis().to_string();
                config.set("group.instance.id", instance).set("session.timeout.ms", session)
            }
            // Nobody comes back under this name: its partitions go soon.
            None => config.set("session.timeout.ms", "10000"),
        };
        config
    }

    /// What an onlooker is told; `group` is whose offsets it asks for.
    pub(crate) fn reader(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            // Offsets move with the transaction alone.
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // The article's `latest` would skip what came before the first start.
            .set("auto.offset.reset", "earliest")
            // A record damaged on the way is not taken for a bad event.
            .set("check.crcs", "true")
            .set("queued.max.messages.kbytes", (FETCH_QUEUE_BYTES >> 10).to_string())
            // Each costs several hundred bytes beside its own: no more than a batch may have.
            .set("queued.min.messages", STREAM_BATCH_RECORDS.to_string())
            // What comes in one answer is unpacked as a whole, to several times its size.
            .set("fetch.max.bytes", FETCH_BYTES.to_string())
            // It sends none, and takes no answers that are smaller than what it would send.
            .set("message.max.bytes", FETCH_BYTES.to_string())
            .set("max.partition.fetch.bytes", (FETCH_BYTES / 8).to_string())
            // A full queue is looked at again this soon, in milliseconds: a batch empties it.
            .set("fetch.queue.backoff.ms", "50")
            .set("fetch.wait.max.ms", "100");
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let settings = Settings::read("h:1", |name| match name {
            "QUESTLINE_KAFKA_SIGN_IN" => Some("scram".into()),
            "QUESTLINE_KAFKA_USER" => Some("questline".into()),
            "QUESTLINE_KAFKA_PASSWORD" => Some("s3cret".into()),
            _ => None,
        })
        .unwrap();
        assert!(!format!("{settings:?}").contains("s3cret"), "{settings:?}");
        let config = settings.producer();
        assert_eq!(config.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
        assert_eq!(config.get("security.protocol"), Some("SASL_SSL"));
        assert_eq!(config.get("sasl.password"), Some("s3cret"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (sign_in, name) in [("scram", "QUESTLINE_KAFKA_USER"), ("x", "QUESTLINE_KAFKA_SIGN_IN")]
        {
            let read =
                |asked: &str| (asked == "QUESTLINE_KAFKA_SIGN_IN").then(|| sign_in.to_owned());
            let error = Settings::read("h:1", read).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn loopback_is_told_from_elsewhere() {
        assert!(Settings::at("127.0.0.1:9092,localhost:9093").is_loopback());
        assert!(Settings::at("[::1]:9092").is_loopback());
        assert!(!Settings::at("127.0.0.1:9092,kafka.example:9092").is_loopback());
        assert!(!Settings::at("localhost.example:9092").is_loopback());
    }
}

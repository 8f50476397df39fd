#![doc = include_str!("../README.md")]

mod appender;
mod client;
mod convert;
mod google;
mod member;
mod membership;
mod native;
mod past;
mod reader;
mod settings;
mod tails;
mod topics;
mod transaction;
mod worker;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use appender::Producer;
use async_trait::async_trait;
use client::{Context, unavailable};
use questline_stores::{
    NewRecord, Record, Topic,
    log::{Appender, Consumer, Deliveries, Head, Log, LogError, Reader},
};
use reader::Onlooker;
pub use settings::{Password, Settings, SignIn, Unusable};
use tokio::sync::mpsc;

/// How long the last records of an ending process may take.
const FLUSH: Duration = Duration::from_secs(5);

/// A Kafka whose topics are as they are to be.
pub struct KafkaLog {
    settings: Settings,
    context: Context,
    log_id: String,
    producer: RwLock<Arc<Producer>>,
    onlooker: Arc<Onlooker>,
}

impl KafkaLog {
    /// Connects, and checks the topics.
    ///
    /// # Errors
    /// If no broker answers, if it lets nobody in, or if the topics are not as they are to be.
    pub async fn open(settings: Settings) -> Result<Self, LogError> {
        let context = signed_in(&settings).await?;
        Self::open_as(settings, context).await
    }

    async fn open_as(settings: Settings, context: Context) -> Result<Self, LogError> {
        topics::check(&settings, &context).await?;
        let (asking, asked_as) = (settings.clone(), context.clone());
        let log_id = blocking(move || topics::log_id(&asking, &asked_as)).await?;
        let producer = Producer::start(&settings, &context).map_err(unavailable)?;
        Ok(Self {
            onlooker: Arc::new(Onlooker::new(settings.clone(), context.clone())),
            producer: RwLock::new(Arc::new(producer)),
            settings,
            context,
            log_id,
        })
    }

    /// Makes the topics that are missing, then checks them all. Gives the names of those made.
    ///
    /// # Errors
    /// As [`Self::open`]'s.
    pub async fn create_topics(settings: &Settings) -> Result<Vec<&'static str>, LogError> {
        let context = signed_in(settings).await?;
        let made = topics::create(settings, &context).await?;
        topics::check(settings, &context).await?;
        Ok(made)
    }

    /// Checks the topics.
    ///
    /// # Errors
    /// Names what is wrong with them.
    pub async fn check_topics(settings: &Settings) -> Result<(), LogError> {
        topics::check(settings, &signed_in(settings).await?).await
    }

    fn producer(&self) -> Arc<Producer> {
        self.producer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A producer that the brokers will not hear any more is replaced.
    fn living_producer(&self) -> Arc<Producer> {
        let producer = self.producer();
        if !producer.is_dead() {
            return producer;
        }
        let mut place = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        if place.is_dead()
            && let Ok(next) = Producer::start(&self.settings, &self.context)
        {
            tracing::warn!("kafka.producer");
            *place = Arc::new(next);
        }
        place.clone()
    }
}

async fn signed_in(settings: &Settings) -> Result<Context, LogError> {
    let context = Context::default();
    if let SignIn::Google(account) = &settings.sign_in {
        google::keep(&context.token, account).await?;
    }
    Ok(context)
}

/// librdkafka's questions wait for the answer where they are asked.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    let asked = tokio::task::spawn_blocking(ask).await;
    asked.unwrap_or_else(|error| Err(LogError::Unavailable(error.into())))
}

#[async_trait]
impl Appender for KafkaLog {
    fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Deliveries {
        self.living_producer().append(topic, &records)
    }

    async fn ready(&self) -> Result<(), LogError> {
        self.ends(Topic::Raw).await.map(|_| ())
    }
}

#[async_trait]
impl Reader for KafkaLog {
    fn log_id(&self) -> &str {
        &self.log_id
    }

    async fn ends(&self, topic: Topic) -> Result<Vec<i64>, LogError> {
        let onlooker = self.onlooker.clone();
        blocking(move || onlooker.ends(topic)).await
    }

    async fn committed(&self, group: &str) -> Result<Vec<Option<i64>>, LogError> {
        let (onlooker, group) = (self.onlooker.clone(), group.to_owned());
        blocking(move || onlooker.committed(&group)).await
    }

    async fn scan(
        &self,
        topic: Topic,
        partitions: &[u32],
        since_ms: i64,
        visit: &mut (dyn for<'h> FnMut(&'h Head) + Send),
    ) -> Result<(), LogError> {
        let (onlooker, partitions) = (self.onlooker.clone(), partitions.to_vec());
        let (send, mut heads) = mpsc::channel::<Head>(1 << 14);
        let scanning = blocking(move || {
            onlooker.scan(topic, &partitions, since_ms, &mut |head| {
                // Nobody may look any more.
                _ = send.blocking_send(head);
            })
        });
        let looking = async {
            while let Some(head) = heads.recv().await {
                visit(&head);
            }
        };
        tokio::join!(scanning, looking).0
    }

    async fn record(&self, partition: u32, offset: i64) -> Result<Option<Record>, LogError> {
        let onlooker = self.onlooker.clone();
        blocking(move || onlooker.record(partition, offset)).await
    }
}

#[async_trait]
impl Log for KafkaLog {
    fn join(&self, group: &str) -> Result<Box<dyn Consumer>, LogError> {
        Ok(Box::new(member::Member::join(&self.settings, &self.context, group, &self.log_id)?))
    }

    async fn close(&self) {
        let producer = self.producer();
        _ = blocking(move || {
            producer.flush(FLUSH);
            Ok(())
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use questline_stores::contract::log::serves;
    use questline_testing::Kafka;
    use rdkafka::client::OAuthToken;

    use super::*;

    /// A token as a broker takes it that knows no identity server.
    fn unsigned(user: &str) -> OAuthToken {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = serde_json::json!({ "sub": user, "iat": now, "exp": now + 3_600 });
        let parts = [r#"{"alg":"none"}"#.to_owned(), claims.to_string(), String::new()];
        OAuthToken {
            token: parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join("."),
            principal_name: user.to_owned(),
            lifetime_ms: i64::try_from(now + 3_600).unwrap() * 1_000,
        }
    }

    /// Also those that are never polled, and those that ask before they are.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_client_has_its_token_before_it_asks() {
        let folder = tempfile::tempdir().unwrap();
        let kafka = Kafka::start_guarded(folder.path());
        let certificate = folder.path().join("certificate.pem").display().to_string();
        let settings = Settings {
            sign_in: SignIn::Google("questline".into()),
            certificates: Some(certificate),
            ..Settings::at(&kafka.brokers())
        };
        let context = Context::default();
        *context.token.lock().unwrap() = Some(unsigned("questline"));
        topics::create(&settings, &context).await.unwrap();
        let log = KafkaLog::open_as(settings, context).await.unwrap();
        serves(&log).await;
        let mut produced = 0;
        let all: Vec<u32> = (0..64).collect();
        log.scan(Topic::Enriched, &all, 0, &mut |_| produced += 1).await.unwrap();
        assert_eq!(produced, 1);
    }
}

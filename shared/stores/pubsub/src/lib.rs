#![doc = include_str!("../README.md")]

use std::time::Duration;

use async_trait::async_trait;
use google_cloud_auth::credentials::{Builder, Credentials, anonymous, external_account};
use google_cloud_pubsub::{
    client::{Publisher, Subscriber},
    model::Message,
    subscriber::ShutdownBehavior,
};
use questline_events::limits::PUBLISH_PATIENCE;
use questline_stores::{
    Cause,
    daily::{self, MetricsReady},
};

const SCOPE: &str = "https://www.googleapis.com/auth/pubsub";

/// Who speaks with which Pub/Sub.
#[derive(Clone, Debug)]
pub struct Settings {
    credentials: Credentials,
    endpoint: Option<String>,
}

/// Why Pub/Sub cannot be spoken to, or not any more.
#[derive(Debug, thiserror::Error)]
#[error("Pub/Sub cannot be used")]
pub struct Unusable(#[source] Cause);

impl Unusable {
    fn because(cause: impl Into<Cause>) -> Self {
        Self(cause.into())
    }
}

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It has not answered: the message may be there, and may be published again.
    #[error("Pub/Sub did not answer in {0:?}")]
    Late(Duration),
    /// It said no.
    #[error("Pub/Sub did not take the message")]
    Refused(#[source] Cause),
}

impl Settings {
    /// Reads the environment by the names of its variables.
    ///
    /// # Errors
    /// If there is no identity.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Unusable> {
        if let Some(host) = variable("PUBSUB_EMULATOR_HOST") {
            let credentials = anonymous::Builder::new().build();
            return Ok(Self { credentials, endpoint: Some(format!("http://{host}")) });
        }
        let credentials = match variable("QUESTLINE_GOOGLE_CREDENTIALS") {
            None => Builder::default().with_scopes([SCOPE]).build(),
            Some(json) => {
                let account = serde_json::from_str(&json).map_err(Unusable::because)?;
                external_account::Builder::new(account).with_scopes([SCOPE]).build()
            }
        };
        let credentials = credentials.map_err(Unusable::because)?;
        Ok(Self { credentials, endpoint: None })
    }
}

/// A topic, for whoever publishes.
#[derive(Debug)]
pub struct Topic(Publisher);

impl Topic {
    /// `projects/PROJECT/topics/TOPIC`.
    ///
    /// # Errors
    /// If no client can be made.
    pub async fn open(settings: Settings, name: &str) -> Result<Self, Unusable> {
        let mut builder = Publisher::builder(name).with_credentials(settings.credentials);
        if let Some(endpoint) = settings.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        // Messages are few: none waits for others.
        let builder = builder.set_delay_threshold(Duration::ZERO);
        Ok(Self(builder.build().await.map_err(Unusable::because)?))
    }

    /// Returns the message's id when Pub/Sub has it.
    ///
    /// # Errors
    /// If it has not, or it is not known.
    pub async fn publish(&self, data: Vec<u8>) -> Result<String, PublishError> {
        let sent = self.0.publish(Message::new().set_data(data));
        let answered = tokio::time::timeout(PUBLISH_PATIENCE, sent).await;
        let answered = answered.map_err(|_| PublishError::Late(PUBLISH_PATIENCE))?;
        answered.map_err(|error| PublishError::Refused(error.into()))
    }
}

#[async_trait]
impl daily::Publisher for Topic {
    async fn publish(&self, message: &MetricsReady) -> Result<(), Cause> {
        Self::publish(self, serde_json::to_vec(message)?).await?;
        Ok(())
    }
}

/// Hands over each message of `projects/PROJECT/subscriptions/SUBSCRIPTION`, one at a time, until
/// `stop`. Those of which `handle` says `true` are done; the others come again, and so does the one
/// that is in hand at the end.
///
/// # Errors
/// If the subscription cannot be read any more.
pub async fn each<F: Future<Output = bool> + Send>(
    settings: Settings,
    subscription: &str,
    stop: impl Future<Output = ()> + Send,
    handle: impl Fn(Vec<u8>) -> F + Send + Sync,
) -> Result<(), Unusable> {
    let mut builder = Subscriber::builder().with_credentials(settings.credentials);
    if let Some(endpoint) = settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let subscriber = builder.build().await.map_err(Unusable::because)?;
    let stream = subscriber.subscribe(subscription).set_max_outstanding_messages(1);
    let mut stream = stream.set_shutdown_behavior(ShutdownBehavior::NackImmediately).build();
    let ending = stream.shutdown_token();
    let reading = async {
        while let Some(next) = stream.next().await {
            let (message, handler) = next.map_err(Unusable::because)?;
            if handle(message.data.to_vec()).await {
                handler.ack();
            } else {
                handler.nack();
            }
        }
        Ok(())
    };
    let read = tokio::select! {
        read = reading => read,
        () = stop => Ok(()),
    };
    ending.shutdown().await;
    read
}

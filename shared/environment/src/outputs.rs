//! Where features and the message go, as the environment has them.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sns::Client;
use questline_google::Google;
use questline_pubsub::{Settings, Topic};
use questline_runtime::config::Env;
use questline_stores::{
    Cause,
    daily::{Directory, FeatureStore, MetricsReady, Publisher},
};

/// The place that `QUESTLINE_FEATURES` names.
///
/// # Errors
/// If it names none, or there is no identity for it.
pub async fn features(env: &Env) -> anyhow::Result<Arc<dyn FeatureStore>> {
    let meaning = "where features go: gs://BUCKET/FOLDER or file:DIRECTORY";
    Ok(match env.location("QUESTLINE_FEATURES", meaning, &["gs", "file"])? {
        ("gs", place) => Google::find(|name| env.owned(name)).await?.features(place)?,
        (_, directory) => Arc::new(Directory::new(directory)),
    })
}

/// Who `QUESTLINE_METRICS_READY` names.
///
/// # Errors
/// If it names nobody, or there is no identity for it.
pub async fn ready(env: &Env) -> anyhow::Result<Arc<dyn Publisher>> {
    let meaning = "where the message goes: pubsub:projects/PROJECT/topics/TOPIC, sns:ARN or \
                   file:DIRECTORY";
    let kinds = &["pubsub", "sns", "file"];
    Ok(match env.location("QUESTLINE_METRICS_READY", meaning, kinds)? {
        ("pubsub", topic) => {
            let settings = Settings::read(|name| env.owned(name))?;
            Arc::new(Topic::open(settings, topic).await?)
        }
        ("sns", topic) => Arc::new(Sns {
            client: Client::new(&crate::aws::config(env)?),
            topic: topic.to_owned(),
        }),
        (_, directory) => Arc::new(Directory::new(directory)),
    })
}

/// A topic of Amazon SNS.
struct Sns {
    client: Client,
    topic: String,
}

#[async_trait]
impl Publisher for Sns {
    async fn publish(&self, message: &MetricsReady) -> Result<(), Cause> {
        let message = serde_json::to_string(message)?;
        let sent = self.client.publish().topic_arn(&self.topic).message(message).send().await;
        sent.map_err(aws_sdk_sns::Error::from)?;
        Ok(())
    }
}

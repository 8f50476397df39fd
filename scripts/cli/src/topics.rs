//! `questline topics`: the three topics of a Kafka.

use questline_log_kafka::{KafkaLog, Settings};
use questline_stores::Topic;

use crate::{arguments::Topics, show};

pub(crate) async fn run(topics: &Topics) -> anyhow::Result<()> {
    let settings = Settings::read(&topics.brokers, |name| std::env::var(name).ok())?;
    let made = if topics.check {
        KafkaLog::check_topics(&settings).await.map(|()| Vec::new())
    } else {
        KafkaLog::create_topics(&settings).await
    }?;
    for topic in Topic::ALL {
        let name = topic.name();
        let (partitions, days) = (topic.partitions(), topic.retention().as_secs() / 86_400);
        let what = if made.contains(&name) { "made" } else { "as it is to be" };
        show::line(&format!("{name}: {partitions} partitions, kept {days} days: {what}"))?;
    }
    Ok(())
}

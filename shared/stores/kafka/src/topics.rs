//! The three topics: made on purpose, and checked at every start.

use std::time::{Duration, Instant};

use questline_events::limits::LETTER_BYTES;
use questline_stores::{Topic, log::LogError};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::Client,
    error::RDKafkaErrorCode,
    types::RDKafkaType,
};

use crate::{
    client::{Context, sign_in, unavailable},
    reader::{PATIENCE, patiently},
    settings::Settings,
};

/// Copies of every record, and how many must be in sync before it counts as stored.
const REPLICATION: i32 = 3;
const IN_SYNC: i32 = 2;

/// What a topic is configured to be, by Kafka's names.
fn wanted(topic: Topic, in_sync: i32) -> [(&'static str, String); 6] {
    [
        ("retention.ms", topic.retention().as_millis().to_string()),
        ("min.insync.replicas", in_sync.to_string()),
        ("unclean.leader.election.enable", "false".to_owned()),
        ("cleanup.policy", "delete".to_owned()),
        ("max.message.bytes", message_bytes(topic).to_string()),
        ("message.timestamp.type", clock(topic).to_owned()),
    ]
}

/// Identities age by the raw topic's time: the broker's, for one machine of many whose clock is ahead
/// would make all others' old. Enriched records name that time.
const fn clock(topic: Topic) -> &'static str {
    match topic {
        Topic::Raw => "LogAppendTime",
        Topic::Enriched | Topic::Dlq => "CreateTime",
    }
}

/// A letter carries a record of any size that the raw topic takes, and more headers.
const fn message_bytes(topic: Topic) -> usize {
    match topic {
        Topic::Raw | Topic::Enriched => 1 << 20,
        Topic::Dlq => LETTER_BYTES,
    }
}

/// How many copies there are to be, and how many in sync: fewer on a laptop's own broker.
fn copies(settings: &Settings, brokers: usize) -> (i32, i32) {
    let brokers = i32::try_from(brokers).unwrap_or(i32::MAX);
    if settings.is_loopback() && brokers < REPLICATION {
        (brokers, brokers.min(IN_SYNC))
    } else {
        (REPLICATION, IN_SYNC)
    }
}

fn admin(settings: &Settings, context: &Context) -> Result<AdminClient<Context>, LogError> {
    let admin: AdminClient<Context> =
        settings.client().create_with_context(context.clone()).map_err(unavailable)?;
    sign_in(&context.token, admin.inner());
    Ok(admin)
}

/// Makes the topics that are missing; what there is is left as it is. Gives the names of those made.
pub(crate) async fn create(
    settings: &Settings,
    context: &Context,
) -> Result<Vec<&'static str>, LogError> {
    let admin = admin(settings, context)?;
    let brokers = brokers(admin.inner())?;
    let (replication, in_sync) = copies(settings, brokers);
    let configs = Topic::ALL.map(|topic| wanted(topic, in_sync));
    let topics: Vec<_> = Topic::ALL
        .into_iter()
        .zip(&configs)
        .map(|(topic, config)| {
            let partitions = i32::try_from(topic.partitions()).unwrap_or(i32::MAX);
            let replication = TopicReplication::Fixed(replication);
            let fresh = NewTopic::new(topic.name(), partitions, replication);
            config.iter().fold(fresh, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(30)))
        .operation_timeout(Some(Duration::from_secs(30)));
    let (deadline, mut names) = (Instant::now() + PATIENCE, Vec::new());
    loop {
        let made = admin.create_topics(&topics, &options).await.map_err(unavailable)?;
        let mut starting = false;
        for (topic, made) in Topic::ALL.into_iter().zip(made) {
            match made {
                Ok(_) => names.push(topic.name()),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                // Brokers that are only starting are not counted yet.
                Err((_, RDKafkaErrorCode::InvalidReplicationFactor))
                    if Instant::now() < deadline =>
                {
                    starting = true;
                }
                Err((name, code)) => {
                    let why = format!("the topic {name} cannot be made: {code}");
                    return Err(LogError::Misconfigured(why));
                }
            }
        }
        if !starting {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    all_known(admin.inner(), &names)?;
    Ok(names)
}

/// Waits until brokers tell of topics just made: who made them knows of them first.
fn all_known<C: rdkafka::ClientContext>(
    client: &Client<C>,
    topics: &[&'static str],
) -> Result<(), LogError> {
    let deadline = Instant::now() + PATIENCE;
    for name in topics {
        loop {
            let metadata = patiently(|| client.fetch_metadata(Some(name), PATIENCE))?;
            let found = metadata.topics().first().map_or(&[][..], |found| found.partitions());
            if !found.is_empty() && found.iter().all(|partition| partition.leader() >= 0) {
                break;
            }
            if Instant::now() >= deadline {
                let why = format!("the topic {name} was made, and no broker leads it");
                return Err(LogError::Unavailable(why.into()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// How many brokers there are: one that is only starting answers before it is counted itself.
fn brokers<C: rdkafka::ClientContext>(client: &Client<C>) -> Result<usize, LogError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = patiently(|| client.fetch_metadata(None, PATIENCE))?.brokers().len();
        if found > 0 || Instant::now() >= deadline {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Checks the topics; the error names what is wrong with them, and the mend.
pub(crate) async fn check(settings: &Settings, context: &Context) -> Result<(), LogError> {
    let admin = admin(settings, context)?;
    let (replication, in_sync) = copies(settings, brokers(admin.inner())?);
    let mut wrong = Vec::new();
    for topic in Topic::ALL {
        let name = topic.name();
        let metadata = patiently(|| admin.inner().fetch_metadata(Some(name), PATIENCE))?;
        let found = metadata.topics().first();
        let partitions = found.map_or(&[][..], |found| found.partitions());
        if partitions.is_empty() {
            let why = found.and_then(|found| found.error()).map(RDKafkaErrorCode::from);
            wrong.push(absent(name, why));
            continue;
        }
        if partitions.len() != topic.partitions() as usize {
            let found = partitions.len();
            wrong.push(format!(
                "{name} has {found} partitions, and is to have {}",
                topic.partitions()
            ));
        }
        let fewest = partitions.iter().map(|partition| partition.replicas().len()).min();
        if fewest.and_then(|fewest| i32::try_from(fewest).ok()) < Some(replication) {
            let found = fewest.unwrap_or(0);
            wrong.push(format!("{name} has {found} replicas, and is to have {replication}"));
        }
        wrong.extend(configured(&admin, topic, in_sync).await?);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(LogError::Misconfigured(format!(
        "{}; `questline topics` makes what is missing, the rest is the broker's \
         administration's",
        wrong.join("; ")
    )))
}

/// A topic that is not shown need not be missing: who may not look at it is not told.
fn absent(name: &str, why: Option<RDKafkaErrorCode>) -> String {
    match why {
        None | Some(RDKafkaErrorCode::UnknownTopicOrPartition) => format!("{name} does not exist"),
        Some(code) => format!("{name} cannot be looked at: {code}"),
    }
}

async fn configured(
    admin: &AdminClient<Context>,
    topic: Topic,
    in_sync: i32,
) -> Result<Vec<String>, LogError> {
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let asked = [ResourceSpecifier::Topic(topic.name())];
    let found = admin.describe_configs(&asked, &options).await.map_err(unavailable)?;
    let Some(Ok(config)) = found.into_iter().next() else {
        return Ok(vec![format!("the configuration of {} cannot be read", topic.name())]);
    };
    let differs = |(name, value): &(&str, String)| {
        let found = config.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
        // More retention, more copies in sync and larger messages do no harm.
        let enough = match (found.parse::<i64>(), value.parse::<i64>()) {
            (Ok(found), Ok(value)) => found >= value || found == -1,
            _ => found == *value,
        };
        (!enough).then(|| format!("{}: {name} is {found}, and is to be {value}", topic.name()))
    };
    Ok(wanted(topic, in_sync).iter().filter_map(differs).collect())
}

/// The cluster's id and the raw topic's: another log has another.
pub(crate) fn log_id(settings: &Settings, context: &Context) -> Result<String, LogError> {
    let config = settings.client();
    let native = config.create_native_config().map_err(unavailable)?;
    let kind = RDKafkaType::RD_KAFKA_PRODUCER;
    let client = Client::new(&config, native, kind, context.clone()).map_err(unavailable)?;
    sign_in(&context.token, &client);
    let cluster = client.fetch_cluster_id(PATIENCE);
    let topic = crate::native::topic_id(&client, Topic::Raw.name(), PATIENCE);
    match (cluster, topic) {
        (Some(cluster), Some(topic)) => Ok(format!("{cluster}.{topic}")),
        _ => Err(LogError::Unavailable("the cluster does not tell its id and its topic's".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_nobody_shows_us_is_not_called_missing() {
        let unknown = RDKafkaErrorCode::UnknownTopicOrPartition;
        assert_eq!(absent("raw", Some(unknown)), "raw does not exist");
        let refused = absent("raw", Some(RDKafkaErrorCode::TopicAuthorizationFailed));
        assert!(refused.starts_with("raw cannot be looked at: "), "{refused}");
        assert!(refused.contains("uthoriz"), "{refused}");
    }
}

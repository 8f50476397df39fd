//! How a member joins its group, and what it hears of ownership.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use questline_stores::{Topic, log::LogError};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};

use crate::{
    client::{Context, is_fenced, sign_in, unavailable},
    native::{member_id, topic_id},
    reader::{PATIENCE, is_passing, patiently},
    settings::Settings,
};

pub(crate) type Client = BaseConsumer<Context<Changes>>;

/// What the brokers have said about ownership, and has not taken effect yet.
#[derive(Default)]
pub(crate) struct Changes {
    heard: Mutex<VecDeque<Change>>,
    /// How the brokers called us when a change was last heard of.
    name: Mutex<String>,
    /// Nobody polls any more: what is to go goes at once.
    pub(crate) ending: AtomicBool,
}

pub(crate) struct Change {
    pub(crate) gained: bool,
    /// We were out of the group: others may have had our partitions meanwhile, these and those that
    /// nothing is said of.
    pub(crate) lost: bool,
    pub(crate) partitions: TopicPartitionList,
}

impl ConsumerContext for Context<Changes> {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.role.ending.load(Ordering::Acquire) {
            // Closing waits for this; an error leaves nothing that could be waited for.
            _ = consumer.incremental_unassign(partitions);
            return;
        }
        let change = Change {
            gained: event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS,
            lost: self.role.is_renamed(consumer) || consumer.assignment_lost(),
            partitions: partitions.clone(),
        };
        self.role.heard().push_back(change);
    }
}

impl Changes {
    pub(crate) fn heard(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the brokers know us, by the name that we had when we last heard of a change.
    pub(crate) fn knows(&self, client: &Client) -> bool {
        let now = member_id(client.client());
        !now.is_empty() && *self.name() == now
    }

    /// Whoever was out of the group comes back under another name, and librdkafka says nothing of
    /// partitions that it is given again.
    fn is_renamed(&self, client: &Client) -> bool {
        let (mut name, now) = (self.name(), member_id(client.client()));
        let renamed = !name.is_empty() && *name != now;
        if !now.is_empty() {
            *name = now;
        }
        renamed
    }

    fn name(&self) -> MutexGuard<'_, String> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a member joins with.
pub(crate) struct Membership {
    pub(crate) settings: Settings,
    pub(crate) context: Context,
    pub(crate) group: String,
    /// The log's id, whose end is the raw topic's.
    pub(crate) log_id: String,
}

impl Membership {
    pub(crate) fn begin(&self) -> Result<Client, LogError> {
        let client: Client = self
            .settings
            .member(&self.group)
            .create_with_context(self.context.of(Changes::default()))
            .map_err(unavailable)?;
        sign_in(&self.context.token, client.client());
        client.subscribe(&[Topic::Raw.name()]).map_err(unavailable)?;
        Ok(client)
    }

    /// Ends whoever has joined another topic than there is now: one made anew has other records under
    /// the same offsets, and what is known of the old ones says nothing.
    pub(crate) fn is_same_topic(&self, client: &Client) -> Result<(), LogError> {
        let name = Topic::Raw.name();
        match topic_id(client.client(), name, PATIENCE) {
            Some(id) if self.log_id.rsplit('.').next() == Some(id.as_str()) => Ok(()),
            Some(_) => {
                let why = format!("the topic {name} was made anew: start again, at its beginning");
                Err(LogError::Misconfigured(why))
            }
            None => Err(LogError::Unavailable(format!("{name} does not tell its id").into())),
        }
    }

    /// Whether the group has a member under our name.
    pub(crate) fn is_taken(&self, client: &Client) -> Result<bool, LogError> {
        let Some(name) = &self.settings.instance else { return Ok(false) };
        let group = patiently(|| client.client().fetch_group_list(Some(&self.group), PATIENCE))?;
        // The brokers call a member by its name and an id of theirs.
        let ours = |id: &str| id.strip_prefix(name).is_some_and(|id| id.starts_with('-'));
        let mut members = group.groups().iter().flat_map(|group| group.members());
        Ok(members.any(|member| ours(member.id())))
    }
}

/// Changes that wait are not waited for any more: the client is about to end.
pub(crate) fn let_go(client: &Client) {
    let changes = &client.context().role;
    changes.ending.store(true, Ordering::Release);
    let heard = std::mem::take(&mut *changes.heard());
    for change in heard {
        let result = if change.gained {
            client.incremental_assign(&TopicPartitionList::new())
        } else {
            client.incremental_unassign(&change.partitions)
        };
        if let Err(error) = result {
            tracing::debug!(%error, "kafka.member");
        }
    }
}

/// Refuses a partition that was added while we run: nobody asks how far it is, and what came there
/// would be passed over in silence.
pub(crate) fn all_known(partitions: &[u32]) -> Result<(), LogError> {
    let known = Topic::Raw.partitions();
    let Some(beyond) = partitions.iter().find(|partition| **partition >= known) else {
        return Ok(());
    };
    let name = Topic::Raw.name();
    Err(LogError::Misconfigured(format!(
        "{name} has a partition {beyond}, and is to have {known} partitions: make it anew"
    )))
}

/// A broker that is away comes back, and whether somebody has our name for good the next poll finds
/// out; whoever has our rights stays.
pub(crate) fn passing(error: KafkaError) -> Result<(), LogError> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::PollExceeded) => Ok(()),
        Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::FencedInstanceId) => {
            Err(unavailable(error))
        }
        Some(code) if is_fenced(code) => {
            tracing::error!(%error, "kafka.fenced");
            Err(LogError::Fenced)
        }
        _ if is_passing(&error) => {
            tracing::debug!(%error, "kafka.member");
            Ok(())
        }
        _ => Err(unavailable(error)),
    }
}

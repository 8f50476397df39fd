//! Ingest's side: records are handed over, and each one's delivery report is passed on.

use std::sync::Arc;

use questline_stores::{
    NewRecord, Topic,
    log::{Deliveries, Fate, Reporter},
};
use rdkafka::{
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    producer::{DeliveryResult, Producer as _, ProducerContext, ThreadedProducer},
};

use crate::{
    client::{Context, sign_in},
    convert::outgoing,
    settings::Settings,
};

/// A producer whose delivery reports go to whoever appended.
pub(crate) struct Producer(ThreadedProducer<Context<Reports>>);

pub(crate) struct Reports;

/// One record of an append, on its way.
pub(crate) struct Pending {
    reporter: Arc<Reporter>,
    place: usize,
}

impl ProducerContext for Context<Reports> {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Box<Pending>) {
        let fate = match result {
            Ok(_) => Fate::Stored,
            Err((error, _)) if was_refused(error) => Fate::Failed,
            // It may be there or not: without a report it is unknown.
            Err((error, _)) => {
                tracing::warn!(%error, "kafka.delivery");
                return;
            }
        };
        pending.reporter.report(pending.place..pending.place + 1, fate);
    }
}

/// The record is not in the log for certain: it was never sent, or a broker said no.
fn was_refused(error: &KafkaError) -> bool {
    let Some(code) = error.rdkafka_error_code() else { return false };
    matches!(
        code,
        RDKafkaErrorCode::QueueFull
            | RDKafkaErrorCode::PurgeQueue
            | RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTimestamp
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::PolicyViolation
    )
}

impl Producer {
    pub(crate) fn start(settings: &Settings, context: &Context) -> KafkaResult<Self> {
        let producer: ThreadedProducer<Context<Reports>> =
            settings.producer().create_with_context(context.of(Reports))?;
        sign_in(&context.token, producer.client());
        Ok(Self(producer))
    }

    /// The producer has lost its place among the brokers' and will never send again.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.client().fatal_error().is_some()
    }

    pub(crate) fn append(&self, topic: Topic, records: &[NewRecord]) -> Deliveries {
        let (reporter, deliveries) = Deliveries::of(records.len());
        let reporter = Arc::new(reporter);
        for (place, record) in records.iter().enumerate() {
            let pending = Box::new(Pending { reporter: reporter.clone(), place });
            let sent = self.0.send(outgoing(topic.name(), record, pending));
            if let Err((error, _)) = sent {
                tracing::debug!(%error, "kafka.send");
                reporter.report(place..place + 1, Fate::Failed);
            }
        }
        deliveries
    }

    /// Waits for the reports of what is on its way.
    pub(crate) fn flush(&self, patience: std::time::Duration) {
        if let Err(error) = self.0.flush(patience) {
            tracing::warn!(%error, "kafka.flush");
        }
    }
}

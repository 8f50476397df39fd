//! What a real broker refuses: records, and whoever does not sign in.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{path::Path, time::Duration};

use questline_events::limits::LETTER_BYTES;
use questline_log_kafka::{KafkaLog, Password, Settings, SignIn};
use questline_stores::{
    NewRecord, Topic,
    contract::log::serves,
    log::{Appender as _, Fate, Log as _, LogError},
};
use questline_testing::{Kafka, PASSWORD, USER};

async fn log(kafka: &Kafka) -> KafkaLog {
    let settings = Settings::at(&kafka.brokers());
    KafkaLog::create_topics(&settings).await.unwrap();
    KafkaLog::open(settings).await.unwrap()
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect()
}

fn record(value: Vec<u8>) -> NewRecord {
    NewRecord { key: Some("k".into()), value: Some(value.into()), ..NewRecord::default() }
}

/// The client knows one limit, the broker another: neither is waited out, and the sibling is kept.
#[tokio::test]
async fn a_record_larger_than_allowed_fails_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let log = log(&kafka).await;
    let (by_broker, by_client) = (noise(1 << 20), noise(LETTER_BYTES + 1));
    let records = vec![record(noise(10)), record(by_broker), record(by_client)];
    let mut deliveries = log.append(Topic::Raw, records);
    tokio::time::timeout(Duration::from_secs(20), deliveries.ended()).await.unwrap();
    let fates: Vec<_> = deliveries.fates().collect();
    assert_eq!(fates, [Some(Fate::Stored), Some(Fate::Failed), Some(Fate::Failed)]);
    log.close().await;
}

/// One record there and back, by a client that signs in.
async fn served(kafka: &Kafka, certificate: &Path, sign_in: SignIn) {
    let certificates = Some(certificate.display().to_string());
    let settings = Settings { sign_in, certificates, ..Settings::at(&kafka.brokers()) };
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = KafkaLog::open(settings).await.unwrap();
    serves(&log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_in_over_tls_is_served_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start_guarded(folder.path());
    let certificate = folder.path().join("certificate.pem");
    let (user, password) = (USER.to_owned(), PASSWORD.to_owned());
    let known = Password { user: user.clone(), password };
    served(&kafka, &certificate, SignIn::Scram(known.clone())).await;
    served(&kafka, &certificate, SignIn::Plain(known.clone())).await;
    let stranger = Password { user, password: "another".to_owned() };
    let certificates = Some(certificate.display().to_string());
    for (sign_in, certificates) in [
        (SignIn::Scram(stranger), certificates),
        // Nobody vouches for the broker.
        (SignIn::Scram(known), None),
        (SignIn::None, None),
    ] {
        let settings = Settings { sign_in, certificates, ..Settings::at(&kafka.brokers()) };
        let refused = KafkaLog::check_topics(&settings).await;
        assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
    }
}

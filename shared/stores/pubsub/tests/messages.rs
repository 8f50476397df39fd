//! Messages through Google's own test server.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use questline_pubsub::{Settings, Topic, each};
use questline_testing::{Pubsub, skip};
use tokio::sync::oneshot;

fn settings(pubsub: &Pubsub) -> Settings {
    let address = pubsub.address.clone();
    Settings::read(|name| (name == "PUBSUB_EMULATOR_HOST").then(|| address.clone())).unwrap()
}

#[tokio::test]
async fn each_message_is_handed_over_until_it_is_dealt_with() {
    let folder = tempfile::tempdir().unwrap();
    let Some(pubsub) = Pubsub::start(folder.path()) else {
        return skip("pubsub", "go cannot build Google's test server");
    };
    let topic = Topic::open(settings(&pubsub), Pubsub::TOPIC).await.unwrap();
    let mut ids = Vec::new();
    for text in ["first", "second", "third"] {
        ids.push(topic.publish(text.into()).await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "each has an id of its own");

    let seen: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let stop = Mutex::new(Some(stop));
    let handle = |data: Vec<u8>| {
        let text = String::from_utf8(data).unwrap();
        let mut seen = seen.lock().unwrap();
        let times = seen.entry(text.clone()).or_default();
        *times += 1;
        // The second is dealt with when it comes again, the others at once.
        let dealt_with = text != "second" || *times == 2;
        if seen.len() == 3 && seen["second"] == 2 {
            _ = stop.lock().unwrap().take();
        }
        async move { dealt_with }
    };
    let stopped = async { _ = stopped.await };
    let reading = each(settings(&pubsub), Pubsub::SUBSCRIPTION, stopped, handle);
    tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap().unwrap();
    let expected = [("first", 1), ("second", 2), ("third", 1)];
    let expected = expected.map(|(text, times)| (text.to_owned(), times));
    assert_eq!(*seen.lock().unwrap(), HashMap::from(expected));
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let Some(pubsub) = Pubsub::start(folder.path()) else {
        return skip("pubsub", "go cannot build Google's test server");
    };
    let topic = Topic::open(settings(&pubsub), "projects/game/topics/nowhere").await.unwrap();
    assert!(topic.publish(b"x".to_vec()).await.is_err());
    let nothing = each(
        settings(&pubsub),
        "projects/game/subscriptions/nowhere",
        std::future::pending(),
        |_| async { true },
    );
    let read = tokio::time::timeout(Duration::from_secs(30), nothing).await.unwrap();
    assert!(read.is_err(), "a subscription that is not there ends the worker");
}

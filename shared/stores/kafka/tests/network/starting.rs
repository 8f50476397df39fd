//! A broker that is only starting: for a moment it knows of no broker, not of itself, and says so.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use questline_log_kafka::KafkaLog;
use questline_stores::{
    Topic,
    contract::log::there_and_back,
    log::{Consumer, Log as _, LogError, Reader as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::behind;

/// The number of the request that asks for brokers and topics.
const METADATA: [u8; 2] = [0, 3];
/// No entry, as Kafka's newer messages count them.
const NONE: u8 = 1;

/// The numbers of requests for metadata that are not answered yet.
type Asked = Arc<Mutex<HashSet<[u8; 4]>>>;

/// One message of Kafka's protocol.
async fn message(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut message = vec![0; length as usize];
    from.read_exact(&mut message).await?;
    Ok(message)
}

async fn pass(message: &[u8], to: &mut OwnedWriteHalf) -> std::io::Result<()> {
    to.write_u32(u32::try_from(message.len()).unwrap()).await?;
    to.write_all(message).await
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: Asked) {
    while let Ok(request) = message(&mut from).await {
        if request[..2] == METADATA {
            assert!(request[3] >= 9, "an answer of another shape");
            asked.lock().unwrap().insert(request[4..8].try_into().unwrap());
        }
        if pass(&request, &mut to).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    asked: Asked,
    starting: watch::Receiver<bool>,
) {
    while let Ok(mut answer) = message(&mut from).await {
        let about_brokers = asked.lock().unwrap().remove(&answer[..4]);
        if about_brokers && *starting.borrow() {
            answer = without_brokers(&answer);
        }
        if pass(&answer, &mut to).await.is_err() {
            return;
        }
    }
}

/// An answer about topics that names no broker.
fn without_brokers(answer: &[u8]) -> Vec<u8> {
    // Its number, its tags, and for how long it was throttled.
    let (head, mut rest) = answer.split_at(4 + 1 + 4);
    let mut take = |count: usize| {
        let (taken, after) = rest.split_at(count);
        rest = after;
        taken
    };
    for _ in NONE..take(1)[0] {
        take(4);
        let host = take(1)[0];
        take(usize::from(host - 1) + 4);
        let rack = take(1)[0];
        take(usize::from(rack.saturating_sub(1)) + 1);
    }
    [head, &[NONE], rest].concat()
}

/// Stands between a broker and its clients; connections end when the broker begins to start.
async fn stand(listener: TcpListener, broker: String, starting: watch::Receiver<bool>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (broker, mut starts) = (broker.clone(), starting.clone());
        tokio::spawn(async move {
            let Ok(broker) = TcpStream::connect(broker).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_broker, to_broker) = broker.into_split();
            let (asked, starting, older) = (Asked::default(), starts.clone(), !*starts.borrow());
            tokio::select! {
                () = requests(from_client, to_broker, asked.clone()) => {}
                () = answers(from_broker, to_client, asked, starting) => {}
                _ = starts.wait_for(|starting| *starting), if older => {}
            }
        });
    }
}

/// Every kind of client has its answer.
async fn serves(log: &KafkaLog, consumer: &mut dyn Consumer) -> Result<(), LogError> {
    log.ends(Topic::Raw).await?;
    log.committed("group").await?;
    there_and_back(log, consumer).await
}

/// librdkafka takes it at its word, and forgets for good where it could ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_knows_of_none_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (kafka, listener, settings) = behind(folder.path()).await;
    let (starting, watched) = watch::channel(false);
    tokio::spawn(stand(listener, kafka.brokers(), watched));
    KafkaLog::create_topics(&settings).await.unwrap();
    let log = KafkaLog::open(settings).await.unwrap();
    let mut consumer = log.join("group").unwrap();
    serves(&log, &mut *consumer).await.unwrap();
    starting.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    starting.send_replace(false);
    let found = async {
        while let Err(error) = serves(&log, &mut *consumer).await {
            println!("{error}");
        }
    };
    tokio::time::timeout(Duration::from_secs(240), found).await.unwrap();
}

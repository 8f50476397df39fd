//! A member that hears nothing of its brokers for a while is out of the group: others have its
//! partitions, and what it had in hand is theirs.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use questline_log_kafka::KafkaLog;
use questline_stores::{
    NewRecord, Record, Topic,
    contract::log::LIMITS,
    log::{Appender as _, Committed, Consumer, Log as _, LogError, Transaction},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::behind;

/// Stands between a broker and its clients. Connections from a number on may be cut: then nothing
/// passes, and nobody is told. Healed, they end.
struct Cable {
    opened: AtomicUsize,
    cut_from: watch::Sender<usize>,
}

impl Cable {
    async fn stand(&self, listener: TcpListener, broker: String) {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let number = self.opened.fetch_add(1, Ordering::Relaxed);
            let (broker, cut_from) = (broker.clone(), self.cut_from.subscribe());
            tokio::spawn(pass(client, broker, number, cut_from));
        }
    }
}

async fn pass(
    mut client: TcpStream,
    broker: String,
    number: usize,
    mut cut_from: watch::Receiver<usize>,
) {
    let mut healed = cut_from.clone();
    let cut = async {
        _ = cut_from.wait_for(|from| *from <= number).await;
    };
    let Ok(mut broker) = TcpStream::connect(broker).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut broker) => {}
        () = cut => {
            _ = healed.wait_for(|from| *from > number).await;
        }
    }
}

async fn fill(log: &KafkaLog) {
    let record = |partition| NewRecord { partition: Some(partition), ..NewRecord::default() };
    let records = (0..Topic::Raw.partitions()).map(record).collect();
    assert!(log.append(Topic::Raw, records).all_stored().await);
}

async fn commit(consumer: &mut dyn Consumer, records: &[Record]) -> Result<(), LogError> {
    let offset = |record: &Record| Committed {
        partition: record.partition,
        next_offset: record.offset + 1,
        metadata: String::new(),
    };
    let mut offsets: Vec<_> = records.iter().map(offset).collect();
    offsets.sort_by_key(|offset| (offset.partition, -offset.next_offset));
    offsets.dedup_by_key(|offset| offset.partition);
    consumer.commit(Transaction { records: Vec::new(), offsets }).await
}

/// Polls and commits once; the places of what it has committed.
async fn work(consumer: &mut dyn Consumer) -> Vec<(u32, i64)> {
    let Ok(polled) = consumer.poll(LIMITS).await else { return Vec::new() };
    let records = polled.records;
    if records.is_empty() || commit(consumer, &records).await.is_err() {
        return Vec::new();
    }
    records.iter().map(|record| (record.partition, record.offset)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_by_now_is_not_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (kafka, listener, settings) = behind(folder.path()).await;
    let cut_from = watch::Sender::new(usize::MAX);
    let cable = Arc::new(Cable { opened: AtomicUsize::new(0), cut_from });
    let (standing, broker) = (cable.clone(), kafka.brokers());
    tokio::spawn(async move { standing.stand(listener, broker).await });
    KafkaLog::create_topics(&settings).await.unwrap();

    let others = KafkaLog::open(settings.clone()).await.unwrap();
    let mut two = others.join("group").unwrap();
    fill(&others).await;
    let done: Arc<Mutex<Vec<(u32, i64)>>> = Arc::default();
    while done.lock().unwrap().is_empty() {
        let places = work(&mut *two).await;
        done.lock().unwrap().extend(places);
    }
    let (done_by_two, ended) = (done.clone(), Arc::new(AtomicBool::new(false)));
    let ending = ended.clone();
    let work_of_two = tokio::spawn(async move {
        while !ending.load(Ordering::Relaxed) {
            let places = work(&mut *two).await;
            done_by_two.lock().unwrap().extend(places);
            fill(&others).await;
        }
    });

    let first = cable.opened.load(Ordering::Relaxed);
    let log = KafkaLog::open(settings).await.unwrap();
    let mut one = log.join("group").unwrap();
    let mut in_hand = Vec::new();
    while in_hand.is_empty() {
        in_hand = one.poll(LIMITS).await.unwrap().records;
    }
    cable.cut_from.send_replace(first);
    // The brokers wait 10 s for it.
    let healed = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        cable.cut_from.send_replace(usize::MAX);
    };
    let (committed, ()) = tokio::join!(commit(&mut *one, &in_hand), healed);
    assert!(committed.is_err(), "it is out");
    let polled = loop {
        if let Ok(polled) = one.poll(LIMITS).await {
            break polled;
        }
    };
    // While this one makes ready for what it was given, the other goes on with what that has.
    let before = done.lock().unwrap().len();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let of_two: BTreeSet<_> = done.lock().unwrap()[before..].iter().map(|place| place.0).collect();
    let taken = polled.assigned.iter().find(|assigned| of_two.contains(&assigned.partition));
    assert!(taken.is_none(), "{taken:?} is another's");
    let share = async {
        let mut share = 0;
        while share < 1_000 {
            let places = work(&mut *one).await;
            share += places.len();
            done.lock().unwrap().extend(places);
        }
    };
    tokio::time::timeout(Duration::from_secs(120), share).await.unwrap();
    ended.store(true, Ordering::Relaxed);
    work_of_two.await.unwrap();
    let done = done.lock().unwrap();
    let places: BTreeSet<_> = done.iter().collect();
    assert_eq!(places.len(), done.len(), "no record was committed twice");
}

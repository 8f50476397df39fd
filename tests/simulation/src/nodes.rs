//! The processes of a world: each is started, jumps in time, is stopped, killed, or ends in order.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use questline_dlq_reprocess::{Reprocess, request::Request};
use questline_environment::Rulebook;
use questline_events::{Rules, device::Devices, event::Unregistered, limits::Limits, registry};
use questline_ingest::{
    Ingest, app,
    config::Config,
    keys::{Entry, Keys},
};
use questline_process::{GROUP, Processor};
use questline_runtime::{CancellationToken, config::Env, metrics::Metrics};
use questline_stores::log::Log as _;

use crate::{
    life::Life,
    log::{Brokers, SimLog},
    players::{Door, Doors},
    tables::Tables,
    warehouse::SimWarehouse,
    world::{SimClock, World},
};

/// What every process is started with.
#[derive(Clone)]
pub(crate) struct Machine {
    /// Where it is.
    pub(crate) world: Arc<World>,
    /// The log.
    pub(crate) brokers: Arc<Mutex<Brokers>>,
    /// The warehouse.
    pub(crate) tables: Arc<Mutex<Tables>>,
    /// The instances of ingest that answer.
    pub(crate) doors: Doors,
    /// The release that is started now.
    pub(crate) release: Arc<Mutex<Rulebook>>,
}

/// A release whose registry asks for what no level has, or one that is sound.
///
/// # Errors
/// If the shipped registry cannot be read.
pub(crate) fn release(sound: bool) -> anyhow::Result<Rulebook> {
    let asks = r#""required": ["level_id"]"#;
    let faulty = registry::SHIPPED.replace(asks, r#""required": ["level"]"#);
    let text = if sound { registry::SHIPPED } else { &faulty };
    let rules = Rules {
        limits: Limits::default(),
        registry: registry::Registry::parse(text)?,
        unregistered: Unregistered::Accept,
        geo: None,
        devices: Devices::default(),
    };
    let function_version = if sound { "sound" } else { "faulty" }.to_owned();
    Ok(Rulebook { rules: Arc::new(rules), lookups: Vec::new(), function_version })
}

impl Machine {
    fn log(&self, life: &Arc<Life>, name: &str) -> SimLog {
        SimLog::new(&self.world, &self.brokers, life, name)
    }

    fn rulebook(&self) -> Rulebook {
        self.release.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn some_time(&self, seconds: std::ops::Range<u64>) {
        tokio::time::sleep(self.world.chance.time(seconds.start * 1_000..seconds.end * 1_000))
            .await;
    }

    /// Instances of ingest, one after the other, until the world is calm.
    ///
    /// # Errors
    /// If one cannot be configured.
    pub(crate) async fn ingests(self, number: u64) -> anyhow::Result<()> {
        while !self.world.is_calm() {
            let (life, clock) = (Life::new(), SimClock::new(&self.world));
            let log = Arc::new(self.log(&life, "ingest"));
            let metrics = Arc::new(Metrics::default());
            let ingest = Arc::new(Ingest::new(config()?, log, metrics, clock.clone()));
            self.world.note("ingest starts", &[number.cast_signed()]);
            let keeping = ingest.clone();
            let book = tokio::spawn(async move { keeping.keep_book().await });
            let door = Door { life: life.clone(), routes: app(ingest.clone()) };
            self.doors().insert(number, door);
            self.some_time(5..40).await;
            if self.world.fails(6) {
                let jump = self.world.chance.number(0..240_000_000).cast_signed() - 120_000_000;
                clock.jump(jump);
                self.some_time(1..10).await;
            }
            if self.world.fails(5) {
                life.stop();
                self.some_time(1..30).await;
                life.wake();
            }
            if self.world.fails(2) {
                self.world.note("ingest is killed", &[number.cast_signed()]);
                life.end();
                self.doors().remove(&number);
                book.abort();
                self.some_time(1..5).await;
            } else {
                self.doors().remove(&number);
                self.some_time(1..2).await;
                ingest.end(Duration::from_secs(2)).await;
                book.await?;
                life.end();
                self.world.note("ingest has ended", &[number.cast_signed()]);
            }
        }
        Ok(())
    }

    fn doors(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<u64, Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Processors under one name, one after the other, until the world is calm. One that is stopped
    /// may be replaced before it is woken.
    pub(crate) async fn processors(self, number: u64) {
        let name = format!("process-{number}");
        let mut replaced = Vec::new();
        while !self.world.is_calm() {
            let (life, stop) = (Life::new(), CancellationToken::new());
            let running = self.processor(&name, &life, &stop);
            self.some_time(3..30).await;
            match self.world.chance.number(0..4) {
                0 => {
                    self.world.note("process is killed", &[number.cast_signed()]);
                    life.end();
                    running.abort();
                }
                1 => {
                    self.world.note("process ends in order", &[number.cast_signed()]);
                    stop.cancel();
                    _ = tokio::time::timeout(Duration::from_secs(60), running).await;
                    life.end();
                }
                _ => {
                    self.world.note("process is stopped", &[number.cast_signed()]);
                    life.stop();
                    let (zombie, later) = (life.clone(), self.world.chance.time(500..25_000));
                    let waking = tokio::spawn(async move {
                        tokio::time::sleep(later).await;
                        zombie.wake();
                        tokio::time::sleep(later).await;
                        zombie.end();
                        running.abort();
                    });
                    if self.world.chance.one_in(2) {
                        replaced.push(waking);
                    } else {
                        _ = waking.await;
                    }
                }
            }
            self.some_time(0..4).await;
        }
        for waking in replaced {
            _ = waking.await;
        }
    }

    /// A processor of the release of now.
    pub(crate) fn processor(
        &self,
        name: &str,
        life: &Arc<Life>,
        stop: &CancellationToken,
    ) -> tokio::task::JoinHandle<()> {
        let machine = self.clone();
        let (name, life, stop) = (name.to_owned(), life.clone(), stop.clone());
        tokio::spawn(async move {
            // Whoever was fenced is started again by its platform, while it lives.
            while !stop.is_cancelled() {
                let clock = SimClock::new(&machine.world);
                let log = Arc::new(machine.log(&life, &name));
                let warehouse = SimWarehouse::new(&machine.world, &machine.tables, &life);
                let Ok(consumer) = log.join(GROUP) else { return };
                let (rulebook, metrics) = (machine.rulebook(), Arc::new(Metrics::default()));
                let warehouse = Arc::new(warehouse);
                let stop = stop.clone();
                let processor = Processor::new(rulebook, log, warehouse, metrics, clock, stop);
                if let Err(error) = processor.run(consumer).await {
                    machine.world.note(&format!("process: {error:#}"), &[]);
                }
                life.pass().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    }

    /// Brings letters back, once; `true` if nothing of the selection was left to be brought back.
    pub(crate) async fn reprocess(&self, life: &Arc<Life>, reason: Option<&str>) -> bool {
        let log = Arc::new(self.log(life, "reprocess"));
        let letters = Arc::new(SimWarehouse::new(&self.world, &self.tables, life));
        let (rules, clock) = (self.rulebook().rules, SimClock::new(&self.world));
        let reprocess = Reprocess::new(letters, log, rules, clock);
        let request =
            Request { reason: reason.map(str::to_owned), seconds: Some(60), ..Request::default() };
        match reprocess.call(&request).await {
            Ok(report) => {
                let back = report.brought_back.cast_signed();
                self.world.note("brought back", &[back, report.waiting.cast_signed()]);
                report.resume.is_none() && report.waiting == report.parked
            }
            Err(error) => {
                self.world.note(&format!("reprocess: {error}"), &[]);
                false
            }
        }
    }
}

fn config() -> anyhow::Result<Config> {
    const FAST: u32 = 1_000_000;
    let entry = Entry {
        events_per_second: FAST,
        address_events_per_second: FAST,
        ..Entry::of("local", "local")
    };
    let keys = Keys::of(vec![entry], Limits::default().request_events)?;
    Ok(Config { keys, ..Config::read(&Env::of([("QUESTLINE_KEYS", "[]")]))? })
}

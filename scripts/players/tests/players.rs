//! What the players promise, over some days of simulated time.
#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::LazyLock,
};

use questline_events::{
    Rules,
    device::Devices,
    event::{Recent, Unregistered},
    headers::Envelope,
    limits::Limits,
    registry::Registry,
    split::{inspect, split},
    time::{DAY, day, hour, parse},
};
use questline_players::{Config, Players, Request};
use serde_json::Value;

/// Midnight of 2026-11-23.
const START: i64 = 1_795_392_000_000_000;
const RATE: f64 = 0.5;

fn players(seed: u64, events_per_second: f64) -> Players {
    Players::new(Config { seed, events_per_second, start: START })
}

/// Four days of play.
static PLAY: LazyLock<Vec<Request>> =
    LazyLock::new(|| players(7, RATE).take_while(|request| request.at < START + 4 * DAY).collect());

/// The events of the play that are JSON, without what was sent again.
static EVENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut seen = HashSet::new();
    let bodies = PLAY.iter().map(|request| request.body.as_slice());
    let lines =
        bodies.filter(|body| seen.insert(*body)).flat_map(|body| split(body).unwrap().events);
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
});

fn of_type(code: i64) -> impl Iterator<Item = &'static Value> {
    EVENTS.iter().filter(move |event| event["type"] == code)
}

fn text<'a>(event: &'a Value, member: &str) -> &'a str {
    event[member].as_str().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let some = |seed, rate| players(seed, rate).take(2_000).collect::<Vec<_>>();
    assert_eq!(some(1, 5.0), some(1, 5.0));
    assert_ne!(some(1, 5.0), some(2, 5.0));
    let later = Config { seed: 1, events_per_second: 5.0, start: START + DAY };
    let ids = |players: Players| {
        players.take(500).flat_map(|request| ids(&request.body)).collect::<HashSet<_>>()
    };
    assert!(ids(players(1, 5.0)).is_disjoint(&ids(Players::new(later))));
}

fn ids(body: &[u8]) -> Vec<String> {
    let events = split(body).unwrap().events;
    let events = events.iter().filter_map(|event| serde_json::from_slice::<Value>(event).ok());
    events.map(|event| text(&event, "id").to_owned()).collect()
}

#[test]
fn requests_are_ordered_and_count_their_events() {
    assert!(PLAY.is_sorted_by_key(|request| request.at));
    assert!(PLAY[0].at >= START && PLAY[0].at < START + 600_000_000);
    for request in &*PLAY {
        assert_eq!(split(&request.body).unwrap().events.len(), request.events as usize);
        assert!((1..=50).contains(&request.events));
    }
    let lines = PLAY.iter().filter(|request| request.body[0] == b'{').count();
    assert!((10..40).contains(&(lines * 100 / PLAY.len())), "{lines} of {}", PLAY.len());
}

#[test]
fn the_rate_is_as_configured_and_follows_the_hour() {
    let mut hours = [0; 24];
    for request in PLAY.iter().filter(|request| request.at < START + 2 * DAY) {
        hours[hour(request.at) as usize] += request.events;
    }
    let mean = f64::from(hours.iter().sum::<u32>()) / (2.0 * 86_400.0);
    assert!((mean / RATE - 1.0).abs() < 0.15, "{mean} a second");
    let evening = hours[17..21].iter().sum::<u32>();
    let morning = hours[5..9].iter().sum::<u32>();
    assert!(evening > 2 * morning, "{evening}, {morning}");
}

#[test]
fn the_rate_holds_where_time_runs_faster_than_in_life() {
    // At the hour of the mean, two simulated seconds.
    let start = START + 13 * DAY / 24;
    let config = Config { seed: 3, events_per_second: 200_000.0, start };
    let sent = Players::new(config).take_while(|request| request.at < start + 2_000_000);
    let mean = sent.map(|request| f64::from(request.events)).sum::<f64>() / 2.0;
    assert!((mean / 200_000.0 - 1.0).abs() < 0.15, "{mean} a second");
}

#[test]
fn only_rubbish_is_refused() {
    let rules = Rules {
        limits: Limits::default(),
        registry: Registry::shipped().unwrap(),
        unregistered: Unregistered::Accept,
        geo: None,
        devices: Devices::default(),
    };
    let mut judged = 0.0;
    let mut refused = BTreeMap::new();
    for request in &*PLAY {
        let envelope =
            Envelope { app_id: Some("local"), received_at: request.at, ..Envelope::default() };
        for line in split(&request.body).unwrap().events {
            judged += 1.0;
            let reason = match inspect(line, &rules.limits) {
                Err(reason) => reason.to_string(),
                Ok(_) => match rules.judge(line, &envelope, &mut Recent::default()) {
                    Err(fault) => format!("{} {}", fault.reason, fault.detail),
                    Ok(event) => {
                        assert_eq!(event.oddities.wrong_type + event.oddities.unusable_metric, 0);
                        assert!(event.days_since_install.is_some_and(|days| days >= 0));
                        continue;
                    }
                },
            };
            *refused.entry(reason).or_insert(0) += 1;
        }
    }
    let share = f64::from(refused.values().sum::<i32>()) / judged;
    assert!((0.001..0.01).contains(&share), "{share}: {refused:?}");
    let reasons = refused.keys().map(String::as_str).collect::<Vec<_>>();
    let rubbish = [
        "invalid_parameters level_id",
        "invalid_parameters price_usd",
        "invalid_timestamp timestamp",
        "malformed_json",
        "timestamp_in_future timestamp",
    ];
    assert_eq!(reasons, rubbish);
}

#[test]
fn ids_are_unique_but_for_what_is_sent_again() {
    let distinct = EVENTS.iter().map(|event| text(event, "id")).collect::<HashSet<_>>();
    assert_eq!(distinct.len(), EVENTS.len());
    let bodies = PLAY.iter().map(|request| &request.body).collect::<HashSet<_>>();
    let resent = (PLAY.len() - bodies.len()) as f64 / PLAY.len() as f64;
    assert!((0.02..0.04).contains(&resent), "{resent}");
}

#[test]
fn some_come_back_from_offline() {
    let late = PLAY.iter().filter(|request| {
        let events = split(&request.body).unwrap().events;
        let first = serde_json::from_slice::<Value>(events[0]).unwrap_or_default();
        let happened = first["timestamp"].as_str().and_then(parse);
        happened.is_some_and(|moment| request.at - moment > 2 * DAY / 24)
    });
    let share = late.count() as f64 / PLAY.len() as f64;
    assert!((0.005..0.05).contains(&share), "{share}");
}

#[test]
fn levels_differ_in_difficulty() {
    let outcomes = |code, level| {
        of_type(code).filter(|event| event["parameters"]["level_id"] == level).count() as f64
    };
    let pass_rate = |level| {
        let (passed, failed) = (outcomes(1002, level), outcomes(1003, level));
        assert!(passed + failed > 50.0, "level {level} is hardly played");
        passed / (passed + failed)
    };
    assert!(pass_rate("1") > 0.8);
    assert!((0.4..0.8).contains(&pass_rate("10")));
    assert!(pass_rate("11") > pass_rate("10"));
    assert!(pass_rate("33") < 0.4);
    let levels = of_type(1001).map(|event| event["parameters"]["level_id"].as_str().unwrap());
    assert_eq!(levels.collect::<HashSet<_>>().len(), 80);
}

#[test]
fn those_who_pay_buy() {
    let bought = of_type(2001).filter(|event| event["parameters"]["price_usd"].is_f64());
    let bought = bought.collect::<Vec<_>>();
    assert!(bought.len() > 20, "{} purchases", bought.len());
    assert!(bought.iter().all(|event| event["is_paying_user"] == true));
    let users = EVENTS.iter().map(|event| (text(event, "user_id"), &event["is_paying_user"]));
    let users = users.collect::<HashMap<_, _>>();
    let paying = users.values().filter(|paying| **paying == true).count() as f64;
    assert!((0.02..0.06).contains(&(paying / users.len() as f64)));
}

#[test]
fn about_two_in_five_come_back_the_next_day() {
    let mut days = HashMap::<&str, HashSet<i32>>::new();
    for event in EVENTS.iter() {
        let moment = event["timestamp"].as_str().and_then(parse);
        days.entry(text(event, "user_id")).or_default().extend(moment.map(day));
    }
    let mut installed = 0.0;
    let mut returned = 0.0;
    for days in days.values() {
        let first = *days.iter().min().unwrap();
        if first < day(START) + 3 {
            installed += 1.0;
            returned += f64::from(u8::from(days.contains(&(first + 1))));
        }
    }
    assert!((0.3..0.5).contains(&(returned / installed)), "{returned} of {installed}");
}

#[test]
fn a_session_has_some_thirty_events() {
    let mut sessions = HashMap::<&str, u32>::new();
    for event in EVENTS.iter() {
        *sessions.entry(text(event, "session_id")).or_default() += 1;
    }
    let mean = EVENTS.len() as f64 / sessions.len() as f64;
    assert!((20.0..40.0).contains(&mean), "{mean}");
    let ended = of_type(3002).count() as f64 / sessions.len() as f64;
    assert!((0.8..1.0).contains(&ended), "{ended}");
    assert!(of_type(4001).count() > 100);
}

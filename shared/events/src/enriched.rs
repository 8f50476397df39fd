//! The enriched event as JSON: what other teams read from `game-events-enriched`.
//!
//! Written by hand because it is the hot path: text that was borrowed from JSON is JSON already.

use std::{borrow::Cow, io::Write as _};

use rust_decimal::Decimal;

use crate::{Event, metrics::PRICE_SCALE, time};

/// Appends the event as one JSON object. Members without a value are left out.
pub fn write(event: &Event<'_>, out: &mut Vec<u8>) {
    let mut object = Object { out, first: true };
    object.text("event_id", &event.event_id);
    object.str("app_id", event.app_id);
    object.text("user_id", &event.user_id);
    object.optional_text("session_id", event.session_id.as_ref());
    object.integer("event_type", event.event_type);
    object.optional_str("event_name", event.event_name);
    object.moment("timestamp", event.timestamp);
    object.date("event_date", event.timestamp);
    object.integer("event_hour", time::hour(event.timestamp));
    object.integer("day_of_week", time::weekday(event.timestamp));
    object.moment("received_at", event.received_at);
    if let Some(moment) = event.client_timestamp {
        object.moment("client_timestamp", moment);
    }
    if let Some(json) = event.parameters {
        object.raw("parameters", json);
    }
    if let Some(json) = &event.extras {
        object.raw("extras", json);
    }
    object.optional_text("platform", event.platform.as_ref());
    object.optional_text("app_version", event.app_version.as_ref());
    object.optional_str("country", event.place.country);
    object.optional_str("region", event.place.region);
    object.optional_str("city", event.place.city);
    object.optional_str("device_category", event.device_category);
    object.optional_str("device_tier", event.device_tier);
    if let Some(paying) = event.is_paying_user {
        object.raw("is_paying_user", if paying { "true" } else { "false" });
    }
    if let Some(days) = event.days_since_install {
        object.integer("days_since_install", days);
    }
    metrics(event, &mut object);
    out.push(b'}');
}

fn metrics(event: &Event<'_>, object: &mut Object<'_>) {
    let metrics = &event.metrics;
    object.optional_text("level_id", metrics.level_id.as_ref());
    if let Some(moves) = metrics.moves_used {
        object.integer("moves_used", moves);
    }
    for (name, number) in
        [("time_seconds", metrics.time_seconds), ("duration_sec", metrics.duration_sec)]
    {
        if let Some(number) = number {
            object.name(name);
            object.format(format_args!("{number}"));
        }
    }
    if let Some(boosters) = &metrics.boosters_used {
        object.name("boosters_used");
        for (index, booster) in boosters.iter().enumerate() {
            object.out.push(if index == 0 { b'[' } else { b',' });
            object.value(booster);
        }
        object.out.extend_from_slice(if boosters.is_empty() { b"[]" } else { b"]" });
    }
    if let Some(nanos) = metrics.price_usd {
        object.name("price_usd");
        let price = Decimal::from_i128_with_scale(nanos, PRICE_SCALE).normalize();
        object.format(format_args!("{price}"));
    }
    object.optional_text("transaction_id", metrics.transaction_id.as_ref());
}

struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl Object<'_> {
    fn name(&mut self, name: &str) {
        self.out.push(if std::mem::take(&mut self.first) { b'{' } else { b',' });
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.out.extend_from_slice(json.as_bytes());
    }

    #[expect(clippy::ptr_arg, reason = "whether it is borrowed is the point")]
    fn text(&mut self, name: &str, text: &Cow<'_, str>) {
        self.name(name);
        self.value(text);
    }

    fn str(&mut self, name: &str, text: &str) {
        self.name(name);
        self.escaped(text);
    }

    /// Borrowed text had no escapes where it stood in JSON, so it needs none here.
    #[expect(clippy::ptr_arg, reason = "whether it is borrowed is the point")]
    fn value(&mut self, text: &Cow<'_, str>) {
        match text {
            Cow::Borrowed(plain) => {
                self.out.push(b'"');
                self.out.extend_from_slice(plain.as_bytes());
                self.out.push(b'"');
            }
            Cow::Owned(text) => self.escaped(text),
        }
    }

    fn escaped(&mut self, text: &str) {
        // Writing text to a Vec cannot fail.
        _ = serde_json::to_writer(&mut *self.out, text);
    }

    fn optional_text(&mut self, name: &str, text: Option<&Cow<'_, str>>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn optional_str(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.str(name, text);
        }
    }

    fn integer(&mut self, name: &str, integer: i64) {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    }

    fn moment(&mut self, name: &str, micros: i64) {
        self.name(name);
        self.out.push(b'"');
        time::write(micros, self.out);
        self.out.push(b'"');
    }

    fn date(&mut self, name: &str, micros: i64) {
        self.name(name);
        self.out.push(b'"');
        time::write_date(micros, self.out);
        self.out.push(b'"');
    }

    fn format(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        _ = self.out.write_fmt(arguments);
    }
}

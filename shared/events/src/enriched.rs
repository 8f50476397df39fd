//! The enriched event as JSON: what other teams read from `game-events-enriched`.
//!
//! Written by hand because it is the hot path: text that was borrowed from JSON is JSON already.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::{Event, metrics::PRICE_SCALE, time};

/// A member's name as it stands after another member.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// Appends the event as one JSON object. Members without a value are left out.
pub fn write(event: &Event<'_>, out: &mut Vec<u8>) {
    let mut object = Object(out);
    object.text("{\"event_id\":", &event.event_id);
    object.str(name!("app_id"), event.app_id);
    object.text(name!("user_id"), &event.user_id);
    object.optional_text(name!("session_id"), event.session_id.as_ref());
    object.integer(name!("event_type"), event.event_type);
    object.optional_str(name!("event_name"), event.event_name);
    let timestamp = time::written(event.timestamp);
    object.plain(name!("timestamp"), &timestamp);
    object.plain(name!("event_date"), &timestamp[..time::DATE]);
    object.integer(name!("event_hour"), time::hour(event.timestamp));
    object.integer(name!("day_of_week"), time::weekday(event.timestamp));
    object.plain(name!("received_at"), &time::written(event.received_at));
    if let Some(moment) = event.client_timestamp {
        object.plain(name!("client_timestamp"), &time::written(moment));
    }
    if let Some(json) = event.parameters {
        object.raw(name!("parameters"), json);
    }
    if let Some(json) = &event.extras {
        object.raw(name!("extras"), json);
    }
    object.optional_text(name!("platform"), event.platform.as_ref());
    object.optional_text(name!("app_version"), event.app_version.as_ref());
    object.optional_str(name!("country"), event.place.country);
    object.optional_str(name!("region"), event.place.region);
    object.optional_str(name!("city"), event.place.city);
    object.optional_str(name!("device_category"), event.device_category);
    object.optional_str(name!("device_tier"), event.device_tier);
    if let Some(paying) = event.is_paying_user {
        object.raw(name!("is_paying_user"), if paying { "true" } else { "false" });
    }
    if let Some(days) = event.days_since_install {
        object.integer(name!("days_since_install"), days);
    }
    metrics(event, &mut object);
    out.push(b'}');
}

fn metrics(event: &Event<'_>, object: &mut Object<'_>) {
    let metrics = &event.metrics;
    object.optional_text(name!("level_id"), metrics.level_id.as_ref());
    if let Some(moves) = metrics.moves_used {
        object.integer(name!("moves_used"), moves);
    }
    if let Some(seconds) = metrics.time_seconds {
        object.serialized(name!("time_seconds"), &seconds);
    }
    if let Some(seconds) = metrics.duration_sec {
        object.serialized(name!("duration_sec"), &seconds);
    }
    if let Some(boosters) = &metrics.boosters_used {
        object.serialized(name!("boosters_used"), boosters.as_slice());
    }
    if let Some(nanos) = metrics.price_usd {
        let price = Decimal::from_i128_with_scale(nanos, PRICE_SCALE).normalize();
        object.raw(name!("price_usd"), &price.to_string());
    }
    object.optional_text(name!("transaction_id"), metrics.transaction_id.as_ref());
}

struct Object<'o>(&'o mut Vec<u8>);

impl Object<'_> {
    fn raw(&mut self, name: &str, json: &str) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(json.as_bytes());
    }

    /// Text that needs no escapes.
    fn plain(&mut self, name: &str, text: &[u8]) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'"');
        self.0.extend_from_slice(text);
        self.0.push(b'"');
    }

    /// Borrowed text had no escapes where it stood in JSON, so it needs none here.
    #[expect(clippy::ptr_arg, reason = "whether it is borrowed is the point")]
    fn text(&mut self, name: &str, text: &Cow<'_, str>) {
        match text {
            Cow::Borrowed(text) => self.plain(name, text.as_bytes()),
            Cow::Owned(text) => self.str(name, text),
        }
    }

    fn str(&mut self, name: &str, text: &str) {
        self.serialized(name, text);
    }

    fn serialized<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.0.extend_from_slice(name.as_bytes());
        // Writing numbers and text to a Vec cannot fail.
        _ = serde_json::to_writer(&mut *self.0, value);
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
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    }
}

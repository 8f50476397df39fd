//! An accepted event: what it means once parsed, validated and enriched.

use std::{borrow::Cow, net::IpAddr};

use crate::{
    Fault, Reason,
    device::{Device, Devices},
    geo::{Geo, Place},
    headers::Envelope,
    limits::{CLOCK_SKEW_MICROS, FUTURE_TOLERANCE_MICROS, ID_SCALARS, Limits, MAX_AGE_MICROS},
    metrics::Metrics,
    parse::{Member, Parsed, parse},
    registry::Registry,
    time,
};

/// What becomes of a type that is not registered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unregistered {
    /// Accepted, with `event_name` NULL, and counted.
    #[default]
    Accept,
    /// Dead-lettered as `unregistered_type`.
    DeadLetter,
}

/// By what events are judged: all inputs of the core but the bytes.
#[derive(Debug)]
pub struct Rules {
    /// The limits.
    pub limits: Limits,
    /// The registered types.
    pub registry: Registry,
    /// What becomes of the others.
    pub unregistered: Unregistered,
    /// Where addresses are; without it geography stays NULL, counted as `lookup_failed`.
    pub geo: Option<Geo>,
    /// What device models are.
    pub devices: Devices,
}

/// What was looked up last: events of a request share an address, a device, an install.
#[derive(Debug, Default)]
pub struct Recent<'r> {
    place: Last<IpAddr, Option<Place<'r>>>,
    device: Last<String, Option<&'r Device>>,
    installed_at: Last<String, Option<i64>>,
}

/// The last answer, and what was asked.
#[derive(Debug)]
struct Last<K, V>(Option<(K, V)>);

impl<K, V> Default for Last<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K, V> Last<K, V> {
    /// The answer for a key; it is looked up where the last one was for another.
    fn get<Q>(&mut self, key: Q, owned: impl FnOnce() -> K, look: impl FnOnce() -> V) -> &V
    where
        K: PartialEq<Q>,
    {
        if self.0.as_ref().is_none_or(|(known, _)| *known != key) {
            self.0 = None;
        }
        &self.0.get_or_insert_with(|| (owned(), look())).1
    }
}

/// What was odd about an accepted event. Counted, never a dead letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Optional top-level members of a wrong type, kept in `extras`.
    pub wrong_type: u32,
    /// Metric members whose value no column can hold, kept in `parameters`.
    pub unusable_metric: u32,
    /// Types that are not registered.
    pub unregistered: u32,
    /// Addresses that could not be looked up: no database, or a damaged one.
    pub lookup_failed: u32,
}

/// An event as the warehouse keeps it; see `sql/events` for the meaning of each member.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the columns are described once, in sql/events")]
pub struct Event<'a> {
    pub app_id: &'a str,
    pub event_id: Cow<'a, str>,
    pub user_id: Cow<'a, str>,
    pub session_id: Option<Cow<'a, str>>,
    pub event_type: i64,
    pub event_name: Option<&'a str>,
    /// Microseconds since 1970, corrected where the device's clock was off.
    pub timestamp: i64,
    pub client_timestamp: Option<i64>,
    pub received_at: i64,
    /// Raw JSON object; `None` where another type stood there.
    pub parameters: Option<&'a str>,
    pub metrics: Metrics<'a>,
    pub extras: Option<String>,
    pub app_version: Option<Cow<'a, str>>,
    pub platform: Option<Cow<'a, str>>,
    pub device_category: Option<&'a str>,
    pub device_tier: Option<&'a str>,
    pub place: Place<'a>,
    pub is_paying_user: Option<bool>,
    pub days_since_install: Option<i64>,
    pub oddities: Oddities,
}

impl Rules {
    /// Parse, validate, enrich: what one event is. `recent` is shared by events that follow each
    /// other.
    ///
    /// # Errors
    /// Why it is not accepted: a value, not a failure.
    pub fn judge<'a, 'r: 'a>(
        &'r self,
        bytes: &'a [u8],
        envelope: &Envelope<'a>,
        recent: &mut Recent<'r>,
    ) -> Result<Event<'a>, Fault> {
        if bytes.len() > self.limits.event_bytes {
            return Err(Fault::whole(Reason::TooLarge));
        }
        match parse(bytes, self.limits.json_depth) {
            Ok(parsed) => self.validate(&parsed, envelope, recent),
            Err(reason) => Err(Fault::whole(reason)),
        }
    }

    fn validate<'a, 'r: 'a>(
        &'r self,
        parsed: &Parsed<'a>,
        envelope: &Envelope<'a>,
        recent: &mut Recent<'r>,
    ) -> Result<Event<'a>, Fault> {
        let app_id = envelope.app_id.ok_or(Fault::whole(Reason::MissingApp))?;
        let event_id = identifier(parsed, parsed.id, "id")?;
        let user_id = identifier(parsed, parsed.user_id, "user_id")?;
        let (timestamp, client_timestamp) = moment(parsed, envelope)?;
        let event_type = needed(parsed.event_type, "type", Member::integer)?;
        // Of several faults the first is told: what an event lacks, before when it comes.
        in_time(timestamp, envelope.received_at)?;
        let mut oddities = Oddities::default();
        let registered = self.registry.get(event_type);
        match registered {
            Some(kind) => kind
                .schema
                .check(parsed)
                .map_err(|member| Fault { reason: Reason::InvalidParameters, detail: member })?,
            None if self.unregistered == Unregistered::DeadLetter => {
                return Err(Fault::of(Reason::UnregisteredType, "type"));
            }
            None => oddities.unregistered = 1,
        }
        let (metrics, unusable_metric) = Metrics::take(&parsed.metrics);
        oddities.unusable_metric = unusable_metric;
        let mut event = Event {
            app_id,
            event_id,
            user_id,
            event_type,
            event_name: registered.map(|kind| kind.name.as_str()),
            timestamp,
            client_timestamp,
            received_at: envelope.received_at,
            metrics,
            ..Event::default()
        };
        let mut extras = Extras::default();
        event.optional(parsed, &mut extras, recent);
        oddities.wrong_type = extras.wrong_type;
        event.extras = extras.finish(parsed);
        event.oddities = oddities;
        self.enrich(&mut event, parsed, envelope, recent);
        Ok(event)
    }

    fn enrich<'a, 'r: 'a>(
        &'r self,
        event: &mut Event<'a>,
        parsed: &Parsed<'a>,
        envelope: &Envelope<'a>,
        recent: &mut Recent<'r>,
    ) {
        if let Some(address) = player_address(parsed, envelope) {
            let look = || self.geo.as_ref().and_then(|geo| geo.place(address));
            match *recent.place.get(address, || address, look) {
                Some(place) => event.place = place,
                None => event.oddities.lookup_failed = 1,
            }
        }
        let model = parsed.device_model;
        let look = || parsed.text(model).and_then(|model| self.devices.get(&model));
        let device = *recent.device.get(model.0, || model.0.to_owned(), look);
        event.device_category = device.map(|device| &*device.category);
        event.device_tier = device.and_then(|device| device.tier.as_deref());
    }
}

impl<'a> Event<'a> {
    /// The members an event may lack. A wrong type is NULL, kept in `extras`, and counted.
    fn optional(&mut self, parsed: &Parsed<'a>, extras: &mut Extras, recent: &mut Recent<'_>) {
        self.parameters = match parsed.parameters {
            absent if absent.is_absent() => Some("{}"),
            Member(object) if object.starts_with('{') => Some(object),
            other => extras.keep("parameters", other),
        };
        let text = |member| parsed.text(member);
        self.session_id = extras.take("session_id", parsed.session_id, text);
        self.app_version = extras.take("app_version", parsed.app_version, text);
        self.platform = extras.take("platform", parsed.platform, text);
        _ = extras.take("device_model", parsed.device_model, text);
        self.is_paying_user = extras.take("is_paying_user", parsed.is_paying_user, Member::boolean);
        let installed = extras.take("installed_at", parsed.installed_at, |member| {
            let read = || parsed.text(member).and_then(|text| time::parse(&text));
            *recent.installed_at.get(member.0, || member.0.to_owned(), read)
        });
        self.days_since_install = if parsed.days_since_install.is_absent() {
            installed.map(|at| i64::from(time::day(self.timestamp)) - i64::from(time::day(at)))
        } else {
            extras.take("days_since_install", parsed.days_since_install, Member::integer)
        }
        .filter(|days| *days >= 0);
    }
}

/// `extras`: top-level members without a column, as one JSON object.
#[derive(Default)]
struct Extras {
    json: String,
    wrong_type: u32,
}

impl Extras {
    fn take<'a, T>(
        &mut self,
        name: &str,
        member: Member<'a>,
        read: impl FnOnce(Member<'a>) -> Option<T>,
    ) -> Option<T> {
        if member.is_absent() {
            return None;
        }
        read(member).or_else(|| self.keep(name, member))
    }

    fn keep<T>(&mut self, name: &str, member: Member<'_>) -> Option<T> {
        self.wrong_type += 1;
        self.push(name, member);
        None
    }

    fn push(&mut self, name: &str, member: Member<'_>) {
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        self.json.extend(["\"", name, "\":", member.0]);
    }

    fn finish(mut self, parsed: &Parsed<'_>) -> Option<String> {
        for (name, member) in &parsed.unknown {
            self.push(name, *member);
        }
        if self.json.is_empty() {
            return None;
        }
        self.json.push('}');
        Some(self.json)
    }
}

/// A needed member: absent is `missing_field`, another type is `wrong_type`.
fn needed<'a, T>(
    member: Member<'a>,
    name: &str,
    read: impl FnOnce(Member<'a>) -> Option<T>,
) -> Result<T, Fault> {
    if member.is_absent() {
        return Err(Fault::of(Reason::MissingField, name));
    }
    read(member).ok_or_else(|| Fault::of(Reason::WrongType, name))
}

fn identifier<'a>(
    parsed: &Parsed<'a>,
    member: Member<'a>,
    name: &str,
) -> Result<Cow<'a, str>, Fault> {
    needed(member, name, |member| {
        let text = parsed.text(member)?;
        let fits = text.len() <= ID_SCALARS || text.chars().count() <= ID_SCALARS;
        fits.then_some(text)
    })
}

/// When it happened, and what the client said where its clock was off.
fn moment(parsed: &Parsed<'_>, envelope: &Envelope<'_>) -> Result<(i64, Option<i64>), Fault> {
    let text = needed(parsed.timestamp, "timestamp", |member| parsed.text(member))?;
    let fault = |reason| Fault::of(reason, "timestamp");
    let sent = time::parse(&text).ok_or(fault(Reason::InvalidTimestamp))?;
    let skew = envelope.sent_at.and_then(|at| envelope.received_at.checked_sub(at)).unwrap_or(0);
    if skew.unsigned_abs() > CLOCK_SKEW_MICROS.unsigned_abs() {
        let corrected = sent.checked_add(skew).ok_or(fault(Reason::InvalidTimestamp))?;
        return Ok((corrected, Some(sent)));
    }
    Ok((sent, None))
}

/// Neither from the future nor older than the partitions that are kept.
fn in_time(timestamp: i64, received_at: i64) -> Result<(), Fault> {
    if timestamp > received_at.saturating_add(FUTURE_TOLERANCE_MICROS) {
        return Err(Fault::of(Reason::TimestampInFuture, "timestamp"));
    }
    if timestamp < received_at.saturating_sub(MAX_AGE_MICROS) {
        return Err(Fault::of(Reason::TimestampTooOld, "timestamp"));
    }
    Ok(())
}

/// A game server names its player's address; nobody else may, and its own tells nothing.
fn player_address(parsed: &Parsed<'_>, envelope: &Envelope<'_>) -> Option<IpAddr> {
    if envelope.server_to_server {
        let address: IpAddr = parsed.ip_address.text()?.parse().ok()?;
        // As ingest writes those of connections: databases know an IPv4 address in its own form.
        return Some(address.to_canonical());
    }
    envelope.address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_write_its_players_address_in_any_form() {
        let server = Envelope { server_to_server: true, ..Envelope::default() };
        for (sent, meant) in [
            ("\"81.2.69.142\"", Some("81.2.69.142")),
            ("\"::ffff:81.2.69.142\"", Some("81.2.69.142")),
            ("\"2001:db8::1\"", Some("2001:db8::1")),
            ("\"home\"", None),
            ("7", None),
        ] {
            let parsed = Parsed { ip_address: Member(sent), ..Parsed::default() };
            let meant = meant.map(|address| address.parse::<IpAddr>().unwrap());
            assert_eq!(player_address(&parsed, &server), meant, "{sent}");
            assert_eq!(player_address(&parsed, &Envelope::default()), None, "{sent}");
        }
    }
}

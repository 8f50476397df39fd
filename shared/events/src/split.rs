//! A request body taken apart into events, and the little that the door looks at in each.

use std::{borrow::Cow, fmt};

use jiter::{Jiter, Peek};
use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    Reason,
    json::{deeper_than, is_document, trim},
    limits::{ID_SCALARS, Limits},
    parse::Member,
};

/// The events of one body, as sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Body<'a> {
    /// The client's clock, where the body carries it: the text of `sent_at`.
    pub sent_at: Option<Cow<'a, str>>,
    /// The bytes of each event. Not all need be JSON.
    pub events: Vec<&'a [u8]>,
}

/// A body that holds no events to answer for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing but white space.
    #[error("the body is empty")]
    Empty,
    /// It begins as an array or as `{"events":[`, and is not JSON.
    #[error("the body is not JSON: send an array, {{\"events\":[...]}}, one object, or NDJSON")]
    NotJson,
}

/// Takes a body apart: an array, `{"events":[...]}`, one object, or NDJSON, told by its shape.
///
/// # Errors
/// If it is empty, or a list that is not JSON: there a bad event cannot be told from its siblings.
pub fn split(body: &[u8]) -> Result<Body<'_>, Unreadable> {
    let body = trim(body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body));
    match body.first() {
        None => Err(Unreadable::Empty),
        Some(b'[') => match serde_json::from_slice::<Vec<&RawValue>>(body) {
            Ok(list) => Ok(Body { sent_at: None, events: raw(&list) }),
            Err(_) if first_line_is_document(body) => Ok(lines(body)),
            Err(_) => Err(Unreadable::NotJson),
        },
        Some(b'{') => object(body),
        Some(_) if is_document(body) => Ok(Body { sent_at: None, events: vec![body] }),
        Some(_) => Ok(lines(body)),
    }
}

fn object(body: &[u8]) -> Result<Body<'_>, Unreadable> {
    match serde_json::from_slice::<Wrapper<'_>>(body) {
        Ok(Wrapper { events: Some(Listed(Some(list))), sent_at }) => {
            let sent_at = sent_at.and_then(|value| Member(value.get()).text());
            Ok(Body { sent_at, events: raw(&list) })
        }
        Ok(_) => Ok(Body { sent_at: None, events: vec![body] }),
        Err(_) if wraps_events(body) => Err(Unreadable::NotJson),
        Err(_) if is_document(body) => Ok(Body { sent_at: None, events: vec![body] }),
        Err(_) => Ok(lines(body)),
    }
}

fn raw<'a>(list: &[&'a RawValue]) -> Vec<&'a [u8]> {
    list.iter().map(|value| value.get().as_bytes()).collect()
}

fn lines(body: &[u8]) -> Body<'_> {
    let ends = memchr::memchr_iter(b'\n', body).chain(std::iter::once(body.len()));
    let mut start = 0;
    let lines = ends.map(|end| trim(&body[std::mem::replace(&mut start, end + 1)..end]));
    Body { sent_at: None, events: lines.filter(|line| !line.is_empty()).collect() }
}

fn first_line_is_document(body: &[u8]) -> bool {
    body.split(|byte| *byte == b'\n').next().is_some_and(|line| is_document(trim(line)))
}

/// `true` if a top-level `events` array was begun before the text stopped being JSON.
fn wraps_events(body: &[u8]) -> bool {
    fn found(json: &mut Jiter<'_>) -> Option<bool> {
        let mut is_events = json.next_object_bytes().ok()?? == b"events";
        loop {
            if is_events && json.peek().ok()? == Peek::Array {
                return Some(true);
            }
            json.next_skip().ok()?;
            is_events = json.next_key_bytes().ok()?? == b"events";
        }
    }
    found(&mut Jiter::new(body)).unwrap_or(false)
}

#[derive(Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow)]
    events: Option<Listed<'a>>,
    #[serde(borrow)]
    sent_at: Option<&'a RawValue>,
}

/// The items of an array; `None` where another type stands.
struct Listed<'a>(Option<Vec<&'a RawValue>>);

impl<'de: 'a, 'a> Deserialize<'de> for Listed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListedVisitor)
    }
}

struct ListedVisitor;

impl<'de> Visitor<'de> for ListedVisitor {
    type Value = Listed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Listed(Some(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Listed(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Listed(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Listed(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Listed(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Listed(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Listed(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Listed(None))
    }
}

/// What the door reads in an event: the names of the receipt and of the partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names<'a> {
    /// `id`, where it is text.
    pub id: Option<Cow<'a, str>>,
    /// `user_id`, where it is text and not empty: the record's key.
    pub user_id: Option<Cow<'a, str>>,
}

/// The members of [`Names`], as sent.
#[derive(Default, Deserialize)]
struct RawNames<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
}

/// Looks whether an event can be kept: JSON, an object, not too large, not too deep. All else is
/// judged by processing, so that a fault can be mended and the event brought back.
///
/// # Errors
/// Why it cannot be kept.
pub fn inspect<'a>(event: &'a [u8], limits: &Limits) -> Result<Names<'a>, Reason> {
    if event.len() > limits.event_bytes {
        return Err(Reason::TooLarge);
    }
    let text = simdutf8::basic::from_utf8(event).map_err(|_| Reason::MalformedJson)?;
    let names = match serde_json::from_str::<RawNames<'_>>(text) {
        Ok(names) => names,
        // A member given twice is JSON all the same: kept, judged later.
        Err(_) if is_document(event) => RawNames::default(),
        Err(_) => return Err(Reason::MalformedJson),
    };
    if trim(event).first() != Some(&b'{') {
        return Err(Reason::NotAnObject);
    }
    if deeper_than(event, limits.json_depth) {
        return Err(Reason::TooDeep);
    }
    let text = |member: Option<&'a RawValue>| Member(member?.get()).text();
    Ok(Names { id: text(names.id), user_id: text(names.user_id).filter(|user| !user.is_empty()) })
}

/// The `id` of an event that is refused although it is an object of JSON, for its receipt: what is
/// too large or too deep has a name like others, and its sender is to know which it was.
#[must_use]
pub fn refused_id(event: &[u8]) -> Option<Cow<'_, str>> {
    trim(event).first().filter(|first| **first == b'{')?;
    let names: RawNames<'_> = serde_json::from_slice(event).ok()?;
    let id = Member(names.id?.get()).text()?;
    (id.chars().count() <= ID_SCALARS).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &str) -> Result<Vec<&str>, Unreadable> {
        split(body.as_bytes()).map(|body| {
            body.events.iter().map(|event| std::str::from_utf8(event).unwrap()).collect()
        })
    }

    #[test]
    fn shapes() {
        let ok = |events: &[&'static str]| Ok(events.to_vec());
        assert_eq!(texts(r#"[{"a":1}, 2 ,"x"]"#), ok(&[r#"{"a":1}"#, "2", "\"x\""]));
        assert_eq!(texts(r#"{"events":[{"a":1}],"sent_at":"t"}"#), ok(&[r#"{"a":1}"#]));
        assert_eq!(texts("{\"id\":\n1}"), ok(&["{\"id\":\n1}"]));
        assert_eq!(texts(r#"{"events":5}"#), ok(&[r#"{"events":5}"#]));
        assert_eq!(texts("\u{feff}{\"a\":1}\r\n\r\nno\n[1]\n"), ok(&["{\"a\":1}", "no", "[1]"]));
        assert_eq!(texts("[1]\n{\"a\":1}"), ok(&["[1]", "{\"a\":1}"]));
        assert_eq!(texts("null"), ok(&["null"]));
        assert_eq!(texts("[]"), ok(&[]));
        assert_eq!(texts(r#"{"a":1}{"b":2}"#), ok(&[r#"{"a":1}{"b":2}"#]));
        assert_eq!(texts(r#"{"id":"a1","user_id":"#), ok(&[r#"{"id":"a1","user_id":"#]));
    }

    #[test]
    fn a_list_that_is_not_json_is_the_bodys_fault() {
        for body in
            ["[{}", "[{},]", "[\n{},\n{}", r#"{"events":[{},"#, r#"{"sent_at":1,"events":[x"#]
        {
            assert_eq!(texts(body), Err(Unreadable::NotJson), "{body}");
        }
        assert_eq!(texts(" \n "), Err(Unreadable::Empty));
    }

    #[test]
    fn what_is_refused_has_a_name_where_it_is_an_object() {
        let deep = format!("{{\"id\":\"a\",\"x\":{}{}}}", "[".repeat(40), "]".repeat(40));
        assert_eq!(inspect(deep.as_bytes(), &Limits::default()), Err(Reason::TooDeep));
        assert_eq!(refused_id(deep.as_bytes()).as_deref(), Some("a"));
        let long = format!("{{\"id\":\"{}\"}}", "x".repeat(129));
        for nameless in [&long[..], r#"["a"]"#, r#"{"id":7}"#, r#"{"id":"a""#, "{}", ""] {
            assert_eq!(refused_id(nameless.as_bytes()), None, "{nameless}");
        }
    }

    #[test]
    fn the_door_keeps_what_processing_will_refuse() {
        let limits = Limits::default();
        assert_eq!(inspect(br#"{"id":1,"id":2}"#, &limits), Ok(Names::default()));
        assert_eq!(inspect(br#"{"x":"\ud800"}"#, &limits), Ok(Names::default()));
        let names = inspect(br#"{"id":"a","user_id":""}"#, &limits).unwrap();
        assert_eq!((names.id.as_deref(), names.user_id), (Some("a"), None));
        assert_eq!(inspect(b"{\"id\":\"\xff\"}", &limits), Err(Reason::MalformedJson));
        let deep = format!("{{\"x\":\"\\ud800\",\"y\":{}{}}}", "[".repeat(300), "]".repeat(300));
        assert_eq!(inspect(deep.as_bytes(), &limits), Err(Reason::TooDeep));
    }
}

//! Small declared fixes of an event on its way back. Every other member stays byte for byte.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap as _,
};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

/// A member of an event, or of one of its objects: `platform`, `parameters.level_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    object: Option<String>,
    member: String,
}

impl Path {
    /// A path as people write it.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text.split_once('.') {
            Some((object, member)) => {
                Self { object: Some(object.to_owned()), member: member.to_owned() }
            }
            None => Self { object: None, member: text.to_owned() },
        }
    }

    /// The identity, which makes an event what it is.
    #[must_use]
    pub fn is_id(&self) -> bool {
        self.object.is_none() && self.member == "id"
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{object}.{}", self.member),
            None => f.write_str(&self.member),
        }
    }
}

/// To what a member is cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A number or a truth becomes the text that stands for it.
    Text,
    /// A text that is one becomes a whole number.
    Integer,
    /// A text that is one becomes a number.
    Number,
}

/// One fix.
#[derive(Debug, Clone, PartialEq)]
pub enum Fix {
    /// Gives a member a value, whatever it had.
    Set(Path, Value),
    /// Gives a member another name.
    Rename(Path, Path),
    /// Gives a member's value another type.
    Cast(Path, Kind),
}

/// Why a fix cannot be made to one event, for people.
pub type Unfixable = String;

/// The event after some fixes; `None` if it stays as it is.
///
/// # Errors
/// If one of them cannot be made to this event.
pub fn apply(fixes: &[Fix], event: &[u8]) -> Result<Option<Vec<u8>>, Unfixable> {
    if fixes.is_empty() {
        return Ok(None);
    }
    let mut members: Members =
        serde_json::from_slice(event).map_err(|_| "it is not a JSON object".to_owned())?;
    let mut changed = false;
    for fix in fixes {
        changed |= match fix {
            Fix::Set(path, value) => {
                members.put(path, raw(value)?)?;
                true
            }
            Fix::Rename(from, to) => match members.take(from)? {
                Some(value) if members.get(to)?.is_none() => {
                    members.put(to, value)?;
                    true
                }
                Some(_) => return Err(format!("it has `{to}` already")),
                None => false,
            },
            Fix::Cast(path, kind) => match members.get(path)? {
                Some(value) => match cast(&value, *kind, path)? {
                    Some(value) => {
                        members.put(path, raw(&value)?)?;
                        true
                    }
                    None => false,
                },
                None => false,
            },
        };
    }
    if !changed {
        return Ok(None);
    }
    serde_json::to_vec(&members).map(Some).map_err(|error| error.to_string())
}

fn raw(value: &Value) -> Result<Box<RawValue>, Unfixable> {
    to_raw_value(value).map_err(|error| error.to_string())
}

/// The value as another type; `None` if it is of that type.
fn cast(value: &RawValue, kind: Kind, path: &Path) -> Result<Option<Value>, Unfixable> {
    let text = value.get();
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let cast = match (kind, &value) {
        (Kind::Text, Value::String(_)) | (Kind::Number, Value::Number(_)) | (_, Value::Null) => {
            return Ok(None);
        }
        // As it was written: 007 of a sender stays what it is.
        (Kind::Text, Value::Number(_) | Value::Bool(_)) => Some(Value::from(text)),
        (Kind::Integer, Value::Number(number)) if number.is_i64() => return Ok(None),
        (Kind::Integer, Value::String(text)) => text.trim().parse::<i64>().ok().map(Value::from),
        (Kind::Number, Value::String(text)) => {
            let number = serde_json::from_str(text.trim()).ok();
            number.filter(Value::is_number)
        }
        _ => None,
    };
    cast.map(Some).ok_or_else(|| format!("`{path}` cannot be cast: it is {text}"))
}

/// The members of an object, in order, each as it was written.
#[derive(Debug, Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn here(&self, member: &str) -> Option<&RawValue> {
        let found = self.0.iter().rfind(|(name, _)| name == member);
        // null and "" mean absent.
        found.map(|(_, value)| &**value).filter(|value| !matches!(value.get(), "null" | "\"\""))
    }

    fn put_here(&mut self, member: &str, value: Box<RawValue>) {
        // Of two the last one counts.
        match self.0.iter_mut().rfind(|(name, _)| name == member) {
            Some((_, place)) => *place = value,
            None => self.0.push((member.to_owned(), value)),
        }
    }

    fn inside(&self, object: &str) -> Result<Self, Unfixable> {
        self.here(object).map_or(Ok(Self::default()), |value| {
            serde_json::from_str(value.get()).map_err(|_| format!("`{object}` is not an object"))
        })
    }

    fn get(&self, path: &Path) -> Result<Option<Box<RawValue>>, Unfixable> {
        Ok(match &path.object {
            Some(object) => self.inside(object)?.here(&path.member).map(RawValue::to_owned),
            None => self.here(&path.member).map(RawValue::to_owned),
        })
    }

    fn put(&mut self, path: &Path, value: Box<RawValue>) -> Result<(), Unfixable> {
        self.change(path, |members| members.put_here(&path.member, value))
    }

    fn take(&mut self, path: &Path) -> Result<Option<Box<RawValue>>, Unfixable> {
        let taken = self.get(path)?;
        if taken.is_some() {
            self.change(path, |members| members.0.retain(|(name, _)| *name != path.member))?;
        }
        Ok(taken)
    }

    fn change(&mut self, path: &Path, change: impl FnOnce(&mut Self)) -> Result<(), Unfixable> {
        match &path.object {
            None => change(self),
            Some(object) => {
                let mut inside = self.inside(object)?;
                change(&mut inside);
                let inside = to_raw_value(&inside).map_err(|error| error.to_string())?;
                self.put_here(object, inside);
            }
        }
        Ok(())
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                while let Some(member) = map.next_entry()? {
                    members.0.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fixed(fixes: &[Fix], event: &str) -> Result<String, Unfixable> {
        let fixed = apply(fixes, event.as_bytes())?;
        Ok(fixed.map_or_else(|| event.to_owned(), |bytes| String::from_utf8(bytes).unwrap()))
    }

    fn path(text: &str) -> Path {
        Path::of(text)
    }

    #[test]
    fn what_is_not_fixed_stays_as_it_was_written() {
        let event = r#"{"id":"a","n":1.10,"parameters":{"big":123456789012345678901234567890,"level_id":7}}"#;
        let fix = Fix::Cast(path("parameters.level_id"), Kind::Text);
        let expected = r#"{"id":"a","n":1.10,"parameters":{"big":123456789012345678901234567890,"level_id":"7"}}"#;
        assert_eq!(fixed(&[fix], event).unwrap(), expected);
        let unchanged = Fix::Cast(path("missing"), Kind::Text);
        assert_eq!(fixed(&[unchanged], "{ \"id\" : 1 }").unwrap(), "{ \"id\" : 1 }");
    }

    #[test]
    fn members_are_set_renamed_and_cast() {
        let set = |name, value| Fix::Set(path(name), value);
        let rename = |from, to| Fix::Rename(path(from), path(to));
        let cast = |name, kind| Fix::Cast(path(name), kind);
        for (fix, before, after) in [
            (set("platform", json!("ios")), r#"{"a":1}"#, r#"{"a":1,"platform":"ios"}"#),
            (set("p.x", json!(1)), r#"{"p":{"x":2,"y":3}}"#, r#"{"p":{"x":1,"y":3}}"#),
            (set("p.x", json!(1)), r#"{"p":null}"#, r#"{"p":{"x":1}}"#),
            (rename("uid", "user_id"), r#"{"uid":"u","b":1}"#, r#"{"b":1,"user_id":"u"}"#),
            (rename("p.lvl", "p.level_id"), r#"{"p":{"lvl":7}}"#, r#"{"p":{"level_id":7}}"#),
            (rename("event_id", "id"), r#"{"event_id":"e"}"#, r#"{"id":"e"}"#),
            (rename("event_id", "id"), r#"{"id":"","event_id":"e"}"#, r#"{"id":"e"}"#),
            (rename("a", "b"), r#"{"a":"","b":""}"#, r#"{"a":"","b":""}"#),
            (cast("moves", Kind::Integer), r#"{"moves":""}"#, r#"{"moves":""}"#),
            (set("p.x", json!(1)), r#"{"p":""}"#, r#"{"p":{"x":1}}"#),
            (cast("p.n", Kind::Integer), r#"{"p":{"n":1,"n":"2"}}"#, r#"{"p":{"n":1,"n":2}}"#),
            (cast("type", Kind::Integer), r#"{"type":"1001"}"#, r#"{"type":1001}"#),
            (cast("price", Kind::Number), r#"{"price":" 0.99 "}"#, r#"{"price":0.99}"#),
            (cast("level", Kind::Text), r#"{"level":1e2}"#, r#"{"level":"1e2"}"#),
        ] {
            assert_eq!(fixed(&[fix], before).unwrap(), after);
        }
    }

    #[test]
    fn a_fix_that_cannot_be_made_says_why() {
        for (fix, event, why) in [
            (Fix::Rename(path("a"), path("id")), r#"{"a":1,"id":"x"}"#, "`id` already"),
            (Fix::Cast(path("a"), Kind::Integer), r#"{"a":"seven"}"#, "\"seven\""),
            (Fix::Set(path("a.b"), json!(1)), r#"{"a":[1]}"#, "`a` is not an object"),
            (Fix::Set(path("a"), json!(1)), "[1]", "not a JSON object"),
        ] {
            let said = fixed(&[fix], event).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}

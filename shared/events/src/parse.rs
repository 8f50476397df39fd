//! Parse: one pass over borrowed bytes. Members stay raw JSON text until somebody needs a value.

use std::borrow::Cow;

use jiter::{Jiter, JiterError, Peek};

use crate::{
    Reason,
    json::{deeper_than, is_document, unescape},
};

/// The raw JSON text of one member; empty where the event does not have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Member<'a>(pub &'a str);

impl<'a> Member<'a> {
    /// `null` and `""` mean absent.
    #[must_use]
    pub fn is_absent(self) -> bool {
        matches!(self.0, "" | "null" | "\"\"")
    }

    /// The text of a JSON string; `None` for every other type.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.inner()?;
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Some(Cow::Borrowed(inner));
        }
        unescape(inner).map(Cow::Owned)
    }

    /// What stands between the quotes of a JSON string.
    fn inner(self) -> Option<&'a str> {
        self.0.strip_prefix('"')?.strip_suffix('"')
    }

    /// A number, cut to what a double can hold; `None` for every other type.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        matches!(self.0.as_bytes().first(), Some(b'-' | b'0'..=b'9'))
            .then(|| self.0.parse::<f64>().ok())
            .flatten()
            .map(|number| number.clamp(f64::MIN, f64::MAX))
    }

    /// A number without a fraction that fits 64 bits (7, 7.0 and 7e0 are the same).
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        if let Ok(integer) = self.0.parse::<i64>() {
            return Some(integer);
        }
        let number = self.number()?;
        let fits = number.fract() == 0.0 && (-(2_f64.powi(63))..2_f64.powi(63)).contains(&number);
        #[expect(clippy::cast_possible_truncation, reason = "an integer within the range of i64")]
        fits.then_some(number as i64)
    }

    /// `true` or `false`; `None` for every other type.
    #[must_use]
    pub fn boolean(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The items of an array of text; `None` for every other type.
    #[must_use]
    pub fn texts(self) -> Option<Texts<'a>> {
        let mut items = Texts::new();
        let bytes = self.0.as_bytes();
        let mut json = Jiter::new(bytes);
        let mut peek = json.next_array().ok()?;
        while let Some(first) = peek {
            let item = skip(&mut json, self.0, first).ok()?;
            items.push(Member(item).text()?);
            peek = json.array_step().ok()?;
        }
        Some(items)
    }
}

/// The items of an array of text.
pub type Texts<'a> = Vec<Cow<'a, str>>;

/// The members that become typed columns, in column order.
pub const METRIC_NAMES: [&str; 7] = [
    "level_id",
    "moves_used",
    "time_seconds",
    "boosters_used",
    "duration_sec",
    "price_usd",
    "transaction_id",
];

/// An event's members as they stand in its text.
#[derive(Debug, Clone, Default)]
pub struct Parsed<'a> {
    /// `id`
    pub id: Member<'a>,
    /// `user_id`
    pub user_id: Member<'a>,
    /// `session_id`
    pub session_id: Member<'a>,
    /// `timestamp`
    pub timestamp: Member<'a>,
    /// `type`
    pub event_type: Member<'a>,
    /// `parameters`
    pub parameters: Member<'a>,
    /// `app_version`
    pub app_version: Member<'a>,
    /// `platform`
    pub platform: Member<'a>,
    /// `device_model`
    pub device_model: Member<'a>,
    /// `is_paying_user`
    pub is_paying_user: Member<'a>,
    /// `days_since_install`
    pub days_since_install: Member<'a>,
    /// `installed_at`
    pub installed_at: Member<'a>,
    /// `ip_address`
    pub ip_address: Member<'a>,
    /// Members of `parameters` named in [`METRIC_NAMES`]; given twice, the last one counts.
    pub metrics: [Member<'a>; METRIC_NAMES.len()],
    /// Names (escaped, as sent) and values of the other top-level members.
    pub unknown: Vec<(&'a str, Member<'a>)>,
    /// There is a backslash somewhere.
    pub escapes: bool,
}

impl<'a> Parsed<'a> {
    /// [`Member::text`] of one of these members: most events have no escapes to look for.
    #[must_use]
    pub fn text(&self, member: Member<'a>) -> Option<Cow<'a, str>> {
        if self.escapes { member.text() } else { member.inner().map(Cow::Borrowed) }
    }

    /// The slot of a known top-level member, and its number.
    fn slot(&mut self, name: &str) -> Option<(u32, &mut Member<'a>)> {
        Some(match name {
            "id" => (0, &mut self.id),
            "user_id" => (1, &mut self.user_id),
            "session_id" => (2, &mut self.session_id),
            "timestamp" => (3, &mut self.timestamp),
            "type" => (4, &mut self.event_type),
            "parameters" => (5, &mut self.parameters),
            "app_version" => (6, &mut self.app_version),
            "platform" => (7, &mut self.platform),
            "device_model" => (8, &mut self.device_model),
            "is_paying_user" => (9, &mut self.is_paying_user),
            "days_since_install" => (10, &mut self.days_since_install),
            "installed_at" => (11, &mut self.installed_at),
            "ip_address" => (12, &mut self.ip_address),
            _ => return None,
        })
    }
}

/// Takes an event apart.
///
/// # Errors
/// The reason why it has no members: `malformed_json`, `not_an_object` or `too_deep`.
pub fn parse(bytes: &[u8], depth_limit: usize) -> Result<Parsed<'_>, Reason> {
    let Ok(text) = simdutf8::basic::from_utf8(bytes) else {
        return Err(Reason::MalformedJson);
    };
    match Jiter::new(bytes).peek() {
        Ok(Peek::Object) => {}
        Ok(_) if is_document(bytes) => return Err(Reason::NotAnObject),
        _ => return Err(Reason::MalformedJson),
    }
    let escapes = memchr::memchr(b'\\', bytes).is_some();
    let mut pass = Pass { json: Jiter::new(bytes), text, escapes, nests: depth_limit < 2 };
    let parsed = pass.event();
    // The parser stops early, so the rest of the text may be no JSON. If it is, only nesting
    // stopped it: members given twice and unpaired surrogates are malformed here.
    match parsed {
        Ok(_) if pass.nests && deeper_than(bytes, depth_limit) => Err(Reason::TooDeep),
        Ok(parsed) => Ok(parsed),
        Err(Stop) if is_document(bytes) && deeper_than(bytes, depth_limit) => Err(Reason::TooDeep),
        Err(Stop) => Err(Reason::MalformedJson),
    }
}

/// The text has no members to give; [`parse`] finds out why.
struct Stop;

impl From<JiterError> for Stop {
    fn from(_: JiterError) -> Self {
        Self
    }
}

/// The one pass over an event's text.
struct Pass<'a> {
    json: Jiter<'a>,
    text: &'a str,
    /// Names may be written with escapes; without a backslash anywhere they are what they seem.
    escapes: bool,
    /// There is more than the event and its `parameters`: it may be too deep.
    nests: bool,
}

impl<'a> Pass<'a> {
    fn event(&mut self) -> Result<Parsed<'a>, Stop> {
        let mut parsed = Parsed { escapes: self.escapes, ..Parsed::default() };
        let mut seen = 0_u32;
        let mut next = self.json.next_object_bytes()?.map(|name| within(self.text, name));
        while let Some(name) = next {
            let plain = self.unescaped(name);
            let peek = self.json.peek()?;
            let value = if peek == Peek::Object && plain == "parameters" {
                self.parameters(&mut parsed.metrics)?
            } else {
                self.skip(peek)?
            };
            match parsed.slot(&plain) {
                Some((number, _)) if seen & (1 << number) != 0 => return Err(Stop),
                Some((number, member)) => {
                    seen |= 1 << number;
                    *member = Member(value);
                }
                None => parsed.unknown.push((name, Member(value))),
            }
            next = self.json.next_key_bytes()?.map(|name| within(self.text, name));
        }
        self.json.finish()?;
        Ok(parsed)
    }

    /// `parameters`: its raw text, and the members that become columns.
    fn parameters(
        &mut self,
        metrics: &mut [Member<'a>; METRIC_NAMES.len()],
    ) -> Result<&'a str, Stop> {
        let start = self.json.current_index();
        let mut next = self.json.next_object_bytes()?.map(|name| within(self.text, name));
        while let Some(name) = next {
            let plain = self.unescaped(name);
            let peek = self.json.peek()?;
            let value = self.skip(peek)?;
            if let Some(at) = METRIC_NAMES.iter().position(|metric| plain == *metric) {
                metrics[at] = Member(value);
            }
            next = self.json.next_key_bytes()?.map(|name| within(self.text, name));
        }
        Ok(&self.text[start..self.json.current_index()])
    }

    /// What a name means. One that is no text means none of ours.
    fn unescaped(&self, name: &'a str) -> Cow<'a, str> {
        if self.escapes && name.contains('\\') {
            return unescape(name).map_or(Cow::Borrowed(""), Cow::Owned);
        }
        Cow::Borrowed(name)
    }

    /// The raw text of one value.
    fn skip(&mut self, peek: Peek) -> Result<&'a str, JiterError> {
        self.nests |= matches!(peek, Peek::Object | Peek::Array);
        skip(&mut self.json, self.text, peek)
    }
}

fn skip<'a>(json: &mut Jiter<'a>, text: &'a str, peek: Peek) -> Result<&'a str, JiterError> {
    let start = json.current_index();
    json.known_skip(peek)?;
    Ok(&text[start..json.current_index()])
}

/// The same bytes with the lifetime of the text that they lie in.
fn within<'a>(text: &'a str, part: &[u8]) -> &'a str {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    &text[start..start + part.len()]
}

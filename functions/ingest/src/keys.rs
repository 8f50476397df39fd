//! Write keys: kept hashed; a key fixes the app.
//!
//! The file is a list of `{"sha256": "...", "app": "...", "server_to_server": false,
//! "events_per_second": n, "address_events_per_second": n}`; all but the first two may be left out.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use hashbrown::HashMap;
use questline_events::limits::{ADDRESS_EVENTS_PER_SECOND, ID_SCALARS, KEY_EVENTS_PER_SECOND};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::admission::Admission;

/// A write key, without the key.
#[derive(Debug)]
pub struct Key {
    /// The app whose events it may send.
    pub app: String,
    /// It belongs to a game server, which may name its players' addresses.
    pub server_to_server: bool,
    /// How fast it may send.
    pub admission: Admission,
}

/// All write keys, by hash.
#[derive(Debug, Default)]
pub struct Keys(HashMap<[u8; 32], Arc<Key>>);

/// An entry of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// SHA-256 of the key, in hexadecimal digits.
    pub sha256: String,
    /// The app.
    pub app: String,
    /// Whether a game server uses it.
    #[serde(default)]
    pub server_to_server: bool,
    /// Events a second for the key.
    #[serde(default = "key_rate")]
    pub events_per_second: u32,
    /// Events a second for each address within the key.
    #[serde(default = "address_rate")]
    pub address_events_per_second: u32,
}

const fn key_rate() -> u32 {
    KEY_EVENTS_PER_SECOND
}

const fn address_rate() -> u32 {
    ADDRESS_EVENTS_PER_SECOND
}

impl Entry {
    /// An entry of a key that is known, at the default rates.
    #[must_use]
    pub fn of(key: &str, app: &str) -> Self {
        let sha256 = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            sha256,
            app: app.to_owned(),
            server_to_server: false,
            events_per_second: KEY_EVENTS_PER_SECOND,
            address_events_per_second: ADDRESS_EVENTS_PER_SECOND,
        }
    }
}

/// A list of keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It is not the expected JSON.
    #[error("it is not a list of keys")]
    File(#[from] serde_json::Error),
    /// One entry is not usable.
    #[error("entry {index}: {problem}")]
    Entry {
        /// Which one, from 0.
        index: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Keys {
    /// Reads the file's text.
    ///
    /// # Errors
    /// If it is no such list.
    pub fn parse(json: &str, burst: usize) -> Result<Self, KeysError> {
        Self::of(serde_json::from_str(json)?, burst)
    }

    /// Keys of entries. Each may send `burst` events at a time, whatever its rate.
    ///
    /// # Errors
    /// If an entry is not usable.
    pub fn of(entries: Vec<Entry>, burst: usize) -> Result<Self, KeysError> {
        let mut keys = HashMap::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let fault = |problem| KeysError::Entry { index, problem };
            let hash = hex(&entry.sha256).ok_or(fault("`sha256` is not 64 hexadecimal digits"))?;
            if entry.app.is_empty() || entry.app.chars().count() > ID_SCALARS {
                return Err(fault("`app` is to be 1 to 128 characters"));
            }
            let rates = (entry.events_per_second, entry.address_events_per_second);
            let admission =
                Admission::new(rates.0, rates.1, burst).ok_or(fault("a rate is to be above 0"))?;
            let server_to_server = entry.server_to_server;
            let key = Key { app: entry.app, server_to_server, admission };
            if keys.insert(hash, Arc::new(key)).is_some() {
                return Err(fault("the key is listed twice"));
            }
        }
        Ok(Self(keys))
    }

    /// The key that a request carries.
    ///
    /// # Errors
    /// Why it may not send, in words for its sender.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        query_key: Option<&str>,
    ) -> Result<Arc<Key>, &'static str> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let bearer = |value: &str| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
        };
        let sent = text(header::HeaderName::from_static("x-api-key"))
            .map(str::to_owned)
            .or_else(|| text(header::AUTHORIZATION).and_then(bearer));
        let by_query = sent.is_none();
        let Some(sent) = sent.or_else(|| query_key.map(str::to_owned)) else {
            return Err("no write key: send one in X-Api-Key, Authorization: Bearer, or ?key=");
        };
        let hash: [u8; 32] = Sha256::digest(sent.as_bytes()).into();
        let key = self.0.get(&hash).ok_or("the write key is not known")?;
        if key.server_to_server && by_query {
            return Err("a server-to-server key is not taken from the address line");
        }
        if key.server_to_server && headers.contains_key(header::ORIGIN) {
            return Err("a server-to-server key is not taken from a browser");
        }
        Ok(key.clone())
    }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn keys() -> Keys {
        let server = Entry { server_to_server: true, ..Entry::of("server", "game") };
        Keys::of(vec![Entry::of("local", "game"), server], 500).unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn a_key_may_stand_in_three_places() {
        let keys = keys();
        for pairs in [[("x-api-key", "local")], [("authorization", "bearer local")]] {
            assert_eq!(keys.authenticate(&headers(&pairs), None).unwrap().app, "game");
        }
        assert!(keys.authenticate(&headers(&[]), Some("local")).is_ok());
        for pairs in [[("x-api-key", "wrong")], [("authorization", "Basic local")]] {
            assert!(keys.authenticate(&headers(&pairs), None).is_err());
        }
        let wrong_header = headers(&[("x-api-key", "wrong")]);
        assert!(keys.authenticate(&wrong_header, Some("local")).is_err(), "the header counts");
    }

    #[test]
    fn a_servers_key_is_not_for_browsers() {
        let keys = keys();
        let plain = headers(&[("x-api-key", "server")]);
        assert!(keys.authenticate(&plain, None).unwrap().server_to_server);
        assert!(keys.authenticate(&headers(&[]), Some("server")).is_err());
        let browser = headers(&[("x-api-key", "server"), ("origin", "https://game.example")]);
        assert!(keys.authenticate(&browser, None).is_err());
    }

    #[test]
    fn a_bad_list_says_which_entry() {
        let entry = |text: &str| Keys::parse(text, 500).unwrap_err().to_string();
        assert_eq!(entry("{}"), "it is not a list of keys");
        assert!(entry(r#"[{"sha256":"x","app":"a"}]"#).starts_with("entry 0: `sha256`"));
        let twice = Keys::of(vec![Entry::of("a", "a"), Entry::of("a", "b")], 500);
        assert_eq!(twice.unwrap_err().to_string(), "entry 1: the key is listed twice");
    }
}

//! The keys by which Google signs: fetched when one is asked for that is not known, and not too
//! often, however many ask.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, ensure};
use jsonwebtoken::{
    DecodingKey,
    jwk::{Jwk, JwkSet},
};
use reqwest::{Client, redirect::Policy};
use tokio::{
    sync::{Mutex, RwLock},
    time::Instant,
};

/// What the keys may cost.
#[derive(Debug, Clone, Copy)]
pub struct KeyLimits {
    /// They come within this time.
    pub timeout: Duration,
    /// Bytes of all of them.
    pub bytes: usize,
    /// Then they are kept this long, and fetched anew.
    pub kept: Duration,
    /// After they came, one that is not among them is not looked for again before this time.
    pub pause: Duration,
    /// After they did not come, they are not asked for again before this time.
    pub retry: Duration,
}

/// The keys could not be had.
#[derive(Debug)]
pub(super) struct Unavailable;

pub(super) struct Keys {
    client: Client,
    url: String,
    pub(super) limits: KeyLimits,
    known: RwLock<Option<Known>>,
    last: Mutex<Option<Fetch>>,
}

struct Known {
    keys: HashMap<String, DecodingKey>,
    until: Instant,
}

/// How the last fetch ended, and when there may be another.
struct Fetch {
    failed: bool,
    again: Instant,
}

impl Keys {
    pub(super) fn new(url: &str, limits: KeyLimits) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(limits.timeout).redirect(Policy::none()).build()?;
        let (known, last) = (RwLock::default(), Mutex::default());
        Ok(Self { client, url: url.to_owned(), limits, known, last })
    }

    /// The key of this id, if Google has one.
    pub(super) async fn get(&self, id: &str) -> Result<Option<DecodingKey>, Unavailable> {
        if let Some(key) = self.known(id).await {
            return Ok(Some(key));
        }
        // One fetches; who waited for it looks first at what came.
        let mut last = self.last.lock().await;
        if let Some(key) = self.known(id).await {
            return Ok(Some(key));
        }
        if last.as_ref().is_none_or(|last| last.again <= Instant::now()) {
            // Said before: a caller that goes away in the middle does not make room for another.
            *last = Some(Fetch { failed: true, again: Instant::now() + self.limits.retry });
            match self.fetch().await {
                Ok(keys) => {
                    let key = keys.get(id).cloned();
                    let now = Instant::now();
                    *self.known.write().await = Some(Known { keys, until: now + self.limits.kept });
                    *last = Some(Fetch { failed: false, again: now + self.limits.pause });
                    return Ok(key);
                }
                Err(error) => tracing::error!(error = format!("{error:#}"), "identity.keys"),
            }
        }
        let failed = last.as_ref().is_some_and(|last| last.failed);
        if failed { Err(Unavailable) } else { Ok(None) }
    }

    async fn known(&self, id: &str) -> Option<DecodingKey> {
        let known = self.known.read().await;
        let known = known.as_ref().filter(|known| Instant::now() < known.until)?;
        known.keys.get(id).cloned()
    }

    async fn fetch(&self) -> anyhow::Result<HashMap<String, DecodingKey>> {
        let mut response = self.client.get(&self.url).send().await?.error_for_status()?;
        let (mut body, most) = (Vec::new(), self.limits.bytes);
        while let Some(chunk) = response.chunk().await? {
            ensure!(body.len() + chunk.len() <= most, "more than {most} bytes");
            body.extend_from_slice(&chunk);
        }
        let set: JwkSet = serde_json::from_slice(&body).context("no set of keys")?;
        // A key of a kind that is not known here signs nothing that is taken here.
        let key = |key: Jwk| {
            let usable = DecodingKey::from_jwk(&key).ok()?;
            Some((key.common.key_id?, usable))
        };
        let keys: HashMap<_, _> = set.keys.into_iter().filter_map(key).collect();
        ensure!(!keys.is_empty(), "no key is in the set");
        Ok(keys)
    }
}

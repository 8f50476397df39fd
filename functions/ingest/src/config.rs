//! What the environment tells ingest.

use std::fs;

use anyhow::Context as _;
use ipnet::IpNet;
use questline_environment::{limits, registry, unregistered};
use questline_events::{Rules, device::Devices, limits::Limits};
use questline_runtime::config::{Env, unusable};

use crate::keys::Keys;

/// Everything but the log.
#[derive(Debug)]
pub struct Config {
    /// By what events are judged at the door.
    pub rules: Rules,
    /// Who may send.
    pub keys: Keys,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The bearer token of `/metrics`.
    pub metrics_token: Option<String>,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// If a variable is missing or not usable.
    pub fn read(env: &Env) -> anyhow::Result<Self> {
        let limits = limits(env)?;
        let keys = env.required("QUESTLINE_KEYS", "the write keys: a file, or the JSON itself")?;
        let json = if keys.trim_start().starts_with('[') {
            keys.to_owned()
        } else {
            fs::read_to_string(keys)
                .context("QUESTLINE_KEYS: neither a JSON list nor a file that can be read")?
        };
        let keys = Keys::parse(&json, limits.request_events)
            .map_err(|error| unusable("QUESTLINE_KEYS", "a list of write keys", error))?;
        let proxies = env.get("QUESTLINE_TRUSTED_PROXIES").unwrap_or_default();
        let trusted_proxies = proxies
            .split(',')
            .filter(|network| !network.trim().is_empty())
            .map(|network| network.trim().parse())
            .collect::<Result<Vec<IpNet>, _>>()
            .map_err(|error| unusable("QUESTLINE_TRUSTED_PROXIES", "networks, a/n,b/m", error))?;
        Ok(Self {
            rules: rules(env, limits)?,
            keys,
            trusted_proxies,
            metrics_token: env.get("QUESTLINE_METRICS_TOKEN").map(str::to_owned),
        })
    }
}

/// What the door judges by: no lookups, they only enrich.
fn rules(env: &Env, limits: Limits) -> anyhow::Result<Rules> {
    let ((registry, _), unregistered) = (registry(env)?, unregistered(env)?);
    Ok(Rules { limits, registry, unregistered, geo: None, devices: Devices::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_variable() {
        let keys = ("QUESTLINE_KEYS", "[]");
        for (name, value) in [
            ("QUESTLINE_KEYS", "[1]"),
            ("QUESTLINE_TRUSTED_PROXIES", "10.0.0.0/99"),
            ("QUESTLINE_MAX_BODY_BYTES", "much"),
            ("QUESTLINE_UNREGISTERED", "maybe"),
            ("QUESTLINE_REGISTRY", "/nowhere/registry.json"),
        ] {
            let error = Config::read(&Env::of([keys, (name, value)])).unwrap_err();
            assert!(error.to_string().contains(name), "{error:#}");
        }
        assert!(Config::read(&Env::of([])).unwrap_err().to_string().contains("QUESTLINE_KEYS"));
        let config = Config::read(&Env::of([keys, ("QUESTLINE_MAX_REQUEST_EVENTS", "7")])).unwrap();
        assert_eq!(config.rules.limits.request_events, 7);
    }
}

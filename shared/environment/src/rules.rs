//! By what events are judged: files named by the environment, each with a version.

use std::{fs, sync::Arc};

use anyhow::Context as _;
use questline_events::{
    Rules,
    device::Devices,
    event::Unregistered,
    geo::Geo,
    limits::Limits,
    registry::{self, Registry},
    version::fingerprint,
};
use questline_runtime::{
    config::{Env, unusable},
    release::release,
};

/// The device table that the project ships.
const DEVICES: &[u8] = include_bytes!("../../events/devices.tsv");

/// Rules, and their versions.
#[derive(Debug, Clone)]
pub struct Rulebook {
    /// By what events are judged.
    pub rules: Arc<Rules>,
    /// Name and version of every input.
    pub lookups: Vec<(&'static str, String)>,
    /// The release and its inputs in one word, as dead letters name it.
    pub function_version: String,
}

impl Rulebook {
    /// Reads the environment and the files that it names.
    ///
    /// # Errors
    /// If a file is missing or not usable.
    pub fn read(env: &Env) -> anyhow::Result<Self> {
        let (registry, registry_version) = registry(env)?;
        let (unregistered, limits) = (unregistered(env)?, limits(env)?);
        let devices = match env.get("QUESTLINE_DEVICES") {
            Some(path) => read("QUESTLINE_DEVICES", path)?,
            None => DEVICES.to_vec(),
        };
        let geo = env.get("QUESTLINE_GEO_DB").map(|path| read("QUESTLINE_GEO_DB", path));
        let geo =
            geo.transpose()?.map(Geo::open).transpose().map_err(|error| {
                unusable("QUESTLINE_GEO_DB", "a MaxMind-format database", error)
            })?;
        let devices = Devices::parse(&devices)
            .map_err(|error| unusable("QUESTLINE_DEVICES", "a table of device models", error))?;
        let lookups = vec![
            ("registry", registry_version),
            ("geo", geo.as_ref().map_or("none", Geo::version).to_owned()),
            ("devices", devices.version().to_owned()),
        ];
        let judged_by = format!("{lookups:?} {unregistered:?} {limits:?}");
        let function_version = format!("{}+{}", release(), fingerprint(judged_by.as_bytes()));
        let rules = Rules { limits, registry, unregistered, geo, devices };
        Ok(Self { rules: Arc::new(rules), lookups, function_version })
    }
}

/// The event types of `QUESTLINE_REGISTRY`, or those shipped, and their version.
///
/// # Errors
/// If the file is missing or not usable.
pub fn registry(env: &Env) -> anyhow::Result<(Registry, String)> {
    let text = match env.get("QUESTLINE_REGISTRY") {
        Some(path) => String::from_utf8(read("QUESTLINE_REGISTRY", path)?)
            .map_err(|error| unusable("QUESTLINE_REGISTRY", "a file of event types", error))?,
        None => registry::SHIPPED.to_owned(),
    };
    let registry = Registry::parse(&text)
        .map_err(|error| unusable("QUESTLINE_REGISTRY", "a file of event types", error))?;
    Ok((registry, fingerprint(text.as_bytes())))
}

/// What becomes of types that are not registered: `QUESTLINE_UNREGISTERED`.
///
/// # Errors
/// If it is set to something else.
pub fn unregistered(env: &Env) -> anyhow::Result<Unregistered> {
    match env.get("QUESTLINE_UNREGISTERED") {
        None | Some("accept") => Ok(Unregistered::Accept),
        Some("dead_letter") => Ok(Unregistered::DeadLetter),
        Some(other) => {
            let cause = format!("`{other}` is neither");
            Err(unusable("QUESTLINE_UNREGISTERED", "accept or dead_letter", cause).into())
        }
    }
}

/// The limits of what a client may send: `QUESTLINE_MAX_EVENT_BYTES` and its like, or the
/// contract's. The door and processing read the same ones: what the one keeps is not too large for
/// the other.
///
/// # Errors
/// If one of them is no number.
pub fn limits(env: &Env) -> anyhow::Result<Limits> {
    let Limits { body_bytes, decompressed_bytes, request_events, event_bytes, json_depth } =
        Limits::default();
    let number = |name, default| env.parsed(name, "a number", default);
    Ok(Limits {
        body_bytes: number("QUESTLINE_MAX_BODY_BYTES", body_bytes)?,
        decompressed_bytes: number("QUESTLINE_MAX_DECOMPRESSED_BYTES", decompressed_bytes)?,
        request_events: number("QUESTLINE_MAX_REQUEST_EVENTS", request_events)?,
        event_bytes: number("QUESTLINE_MAX_EVENT_BYTES", event_bytes)?,
        json_depth: number("QUESTLINE_MAX_JSON_DEPTH", json_depth)?,
    })
}

fn read(name: &'static str, path: &str) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{name}: {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_cannot_be_read_is_named() {
        for name in ["QUESTLINE_GEO_DB", "QUESTLINE_DEVICES", "QUESTLINE_REGISTRY"] {
            let missing = Rulebook::read(&Env::of([(name, "/nowhere/file")])).unwrap_err();
            assert!(format!("{missing:#}").contains(name), "{missing:#}");
            let other = Rulebook::read(&Env::of([(name, file!())]));
            let wrong = format!("{:#}", other.err().unwrap_or_else(|| anyhow::anyhow!("accepted")));
            assert!(wrong.contains(name) || wrong.contains("No such file"), "{name}: {wrong}");
        }
    }

    #[test]
    fn the_version_names_every_input() {
        let rulebook = Rulebook::read(&Env::of([])).unwrap();
        let names: Vec<_> = rulebook.lookups.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["registry", "geo", "devices"]);
        let strict = Rulebook::read(&Env::of([("QUESTLINE_UNREGISTERED", "dead_letter")])).unwrap();
        assert_ne!(rulebook.function_version, strict.function_version);
    }

    #[test]
    fn an_event_may_be_as_large_as_the_door_lets_it_be() {
        let larger = [("QUESTLINE_MAX_EVENT_BYTES", "65536"), ("QUESTLINE_MAX_JSON_DEPTH", "40")];
        let rulebook = Rulebook::read(&Env::of(larger)).unwrap();
        let Limits { event_bytes, json_depth, .. } = rulebook.rules.limits;
        assert_eq!((event_bytes, json_depth), (65_536, 40));
        let usual = Rulebook::read(&Env::of([])).unwrap();
        assert_ne!(rulebook.function_version, usual.function_version);
        let wrong = Env::of([("QUESTLINE_MAX_JSON_DEPTH", "deep")]);
        let error = Rulebook::read(&wrong).unwrap_err().to_string();
        assert!(error.contains("QUESTLINE_MAX_JSON_DEPTH"), "{error}");
    }
}

//! Configuration: environment variables, read once at the start.

use std::{collections::HashMap, error::Error, net::IpAddr, str::FromStr};

/// Where variables come from: the process, or a map in tests. Some are secret: it is never shown.
#[derive(Clone)]
pub struct Env(HashMap<String, String>);

/// A variable that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It has to be set.
    #[error("{name} is not set: {meaning}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it is for.
        meaning: &'static str,
    },
    /// It has another form.
    #[error("{name} cannot be used: it is to be {meaning}")]
    Unusable {
        /// The variable.
        name: &'static str,
        /// What it is for.
        meaning: &'static str,
        /// What is wrong with it.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl Env {
    /// The variables of this process. What is not UTF-8 is not seen.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// Given variables.
    #[must_use]
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// Every variable and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Gives a variable another value.
    pub fn set(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// A variable; empty is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable, for whoever keeps it.
    #[must_use]
    pub fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A variable that says where something lies, as `KIND:PLACE`: its kind, which is one of
    /// `kinds`, and its place.
    ///
    /// # Errors
    /// If it is not set, or is of no such form.
    pub fn location(
        &self,
        name: &'static str,
        meaning: &'static str,
        kinds: &[&'static str],
    ) -> Result<(&'static str, &str), ConfigError> {
        let value = self.required(name, meaning)?;
        let (kind, place) = value.split_once(':').unwrap_or_default();
        let kind = kinds.iter().find(|known| **known == kind).filter(|_| !place.is_empty());
        kind.map(|kind| (*kind, place))
            .ok_or_else(|| unusable(name, meaning, format!("`{value}` is not")))
    }

    /// A variable that has to be set.
    ///
    /// # Errors
    /// If it is not set.
    pub fn required(&self, name: &'static str, meaning: &'static str) -> Result<&str, ConfigError> {
        self.get(name).ok_or(ConfigError::Missing { name, meaning })
    }

    /// A variable of some type, or its default.
    ///
    /// # Errors
    /// If it is set to something else.
    pub fn parsed<T>(
        &self,
        name: &'static str,
        meaning: &'static str,
        default: T,
    ) -> Result<T, ConfigError>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        self.get(name).map_or(Ok(default), |value| {
            value.parse().map_err(|error: T::Err| unusable(name, meaning, error))
        })
    }
}

/// The error of a variable that is set to something else.
pub fn unusable(
    name: &'static str,
    meaning: &'static str,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> ConfigError {
    ConfigError::Unusable { name, meaning, cause: cause.into() }
}

/// Where a function listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// Loopback, unless `HOST` says otherwise or the platform needs all interfaces.
    pub host: IpAddr,
    /// `PORT`, 8080 by default; 0 takes a free one.
    pub port: u16,
}

impl Listen {
    /// Reads `HOST` and `PORT`.
    ///
    /// # Errors
    /// If one of them is no address or number.
    pub fn read(env: &Env) -> Result<Self, ConfigError> {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        // Cloud Run reaches a container from outside, and tells it so.
        let host = if env.get("K_SERVICE").is_some() { [0, 0, 0, 0].into() } else { loopback };
        Ok(Self {
            host: env.parsed("HOST", "an IP address to listen on", host)?,
            port: env.parsed("PORT", "a port to listen on", 8080)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_variable() {
        let env = Env::of([("PORT", "many"), ("EMPTY", "")]);
        let error = Listen::read(&env).unwrap_err();
        assert_eq!(error.to_string(), "PORT cannot be used: it is to be a port to listen on");
        let error = env.required("EMPTY", "what it is for").unwrap_err();
        assert_eq!(error.to_string(), "EMPTY is not set: what it is for");
    }

    #[test]
    fn a_location_has_a_kind_that_is_known() {
        let env = Env::of([("LOG", "kafka:h:1,h:2"), ("OTHER", "x:y"), ("NOWHERE", "sqlite:")]);
        let location = |name| env.location(name, "sqlite:DIRECTORY", &["sqlite", "kafka"]);
        assert_eq!(location("LOG").unwrap(), ("kafka", "h:1,h:2"));
        for name in ["OTHER", "NOWHERE", "UNSET"] {
            assert!(location(name).unwrap_err().to_string().contains(name));
        }
    }

    #[test]
    fn nothing_listens_beyond_loopback_by_itself() {
        let host = |env: &Env| Listen::read(env).unwrap().host;
        assert!(host(&Env::of([])).is_loopback());
        assert!(host(&Env::of([("K_SERVICE", "ingest")])).is_unspecified());
        assert_eq!(host(&Env::of([("HOST", "10.0.0.1")])), IpAddr::from([10, 0, 0, 1]));
    }
}

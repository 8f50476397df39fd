//! The event-type registry: code, name, schema and marks, as one data file.

use hashbrown::HashMap;
use serde::Deserialize;

use crate::schema::{Schema, SchemaError};

/// The registry that the project ships.
pub const SHIPPED: &str = include_str!("../registry.json");

/// A registered type.
#[derive(Debug)]
pub struct EventType {
    /// The name that analysts see, such as `level_start`.
    pub name: String,
    /// `duration_sec` of this type is time played.
    pub playtime: bool,
    /// What its `parameters` must be.
    pub schema: Schema,
}

/// All registered types by code.
#[derive(Debug)]
pub struct Registry {
    types: HashMap<i64, EventType>,
}

/// A registry file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file is not the expected JSON.
    #[error("the registry is not a list of event types")]
    File(#[from] serde_json::Error),
    /// One type's schema is none.
    #[error("event type {code}")]
    Type {
        /// The type's code.
        code: i64,
        /// What is wrong with its schema.
        #[source]
        source: SchemaError,
    },
    /// A code or a name stands twice.
    #[error("event type {code} or its name `{name}` is registered twice")]
    Twice {
        /// The type's code.
        code: i64,
        /// The type's name.
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    code: i64,
    name: String,
    #[serde(default)]
    marks: Vec<Mark>,
    parameters: serde_json::Value,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Mark {
    Playtime,
}

impl Registry {
    /// Reads a registry and compiles its schemas.
    ///
    /// # Errors
    /// If the file, a schema or a code is not usable.
    pub fn parse(json: &str) -> Result<Self, RegistryError> {
        let mut types = HashMap::new();
        for entry in serde_json::from_str::<Vec<Entry>>(json)? {
            let Entry { code, name, marks, parameters } = entry;
            let schema = Schema::compile(&parameters)
                .map_err(|source| RegistryError::Type { code, source })?;
            let twice = types.values().any(|known: &EventType| known.name == name);
            if twice || types.contains_key(&code) {
                return Err(RegistryError::Twice { code, name });
            }
            let playtime = marks.contains(&Mark::Playtime);
            types.insert(code, EventType { name, playtime, schema });
        }
        Ok(Self { types })
    }

    /// The registry that the project ships.
    ///
    /// # Errors
    /// Never in a build whose tests passed.
    pub fn shipped() -> Result<Self, RegistryError> {
        Self::parse(SHIPPED)
    }

    /// The type of a code, if it is registered.
    #[must_use]
    pub fn get(&self, code: i64) -> Option<&EventType> {
        self.types.get(&code)
    }

    /// Codes and names, in the order of the codes.
    #[must_use]
    pub fn names(&self) -> Vec<(i64, &str)> {
        let mut names: Vec<_> = self.types.iter().map(|(code, t)| (*code, &*t.name)).collect();
        names.sort_unstable();
        names
    }

    /// The codes of the types whose `duration_sec` is time played, commas between them.
    #[must_use]
    pub fn playtime(&self) -> String {
        let marked = self.types.iter().filter(|(_, kind)| kind.playtime);
        let mut codes: Vec<_> = marked.map(|(code, _)| *code).collect();
        codes.sort_unstable();
        codes.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_type_is_checked_in_the_parsing_pass() {
        let registry = Registry::shipped().unwrap();
        for (code, name) in [
            (1001, "level_start"),
            (1002, "level_complete"),
            (1003, "level_fail"),
            (2001, "purchase"),
            (3002, "session_end"),
        ] {
            let kind = registry.get(code).unwrap();
            assert_eq!(kind.name, name);
            assert_eq!(kind.playtime, name == "session_end");
            assert_eq!(registry.playtime(), "3002");
            assert!(matches!(kind.schema, Schema::InPass(_)), "{name}");
        }
    }

    #[test]
    fn a_bad_registry_says_what_is_wrong() {
        let twice =
            r#"[{"code":1,"name":"a","parameters":{}},{"code":1,"name":"b","parameters":{}}]"#;
        assert!(matches!(Registry::parse(twice), Err(RegistryError::Twice { code: 1, .. })));
        let none = r#"[{"code":1,"name":"a","parameters":{"type":"text"}}]"#;
        assert!(matches!(Registry::parse(none), Err(RegistryError::Type { code: 1, .. })));
        assert!(Registry::parse("{}").is_err());
    }
}

//! The compiled pipeline, and what it takes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::sha256;

/// The pipeline that the project ships.
const SHIPPED: &str = include_str!("../pipeline/pipeline.json");

/// A compiled pipeline.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The whole of it, for whoever carries it out.
    pub text: Value,
    /// SHA-256 of its text: it names the steps' code and packages too.
    pub version: String,
    inputs: BTreeMap<String, Input>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    parameter_type: String,
    #[serde(default)]
    default_value: Option<Value>,
    #[serde(default)]
    is_optional: bool,
}

/// Why parameters do not fit the pipeline.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It has no such parameter.
    #[error("the pipeline has no parameter `{0}`")]
    Unknown(String),
    /// It needs this one.
    #[error("the pipeline needs `{0}`")]
    Missing(String),
    /// It wants another type.
    #[error("`{0}` is to be a {1}")]
    Type(String, String),
}

impl Spec {
    /// The pipeline that the project ships.
    ///
    /// # Errors
    /// If it is none, or one that Vertex AI does not take.
    pub fn shipped() -> anyhow::Result<Self> {
        Self::parse(SHIPPED)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let spec: Value = serde_json::from_str(text)?;
        // Only from here on parameters are values, and not texts.
        anyhow::ensure!(
            spec["schemaVersion"] == "2.1.0",
            "the pipeline's schemaVersion is not 2.1.0"
        );
        let inputs =
            serde_json::from_value(spec["root"]["inputDefinitions"]["parameters"].clone())?;
        Ok(Self { text: spec, version: sha256(text.as_bytes()), inputs })
    }

    /// Holds parameters against what the pipeline takes.
    ///
    /// # Errors
    /// Names the first that does not fit.
    pub fn check(&self, parameters: &Map<String, Value>) -> Result<(), Misfit> {
        for (name, value) in parameters {
            let Some(input) = self.inputs.get(name) else {
                return Err(Misfit::Unknown(name.clone()));
            };
            let fits = match input.parameter_type.as_str() {
                "STRING" => value.is_string(),
                "NUMBER_INTEGER" => value.is_i64() || value.is_u64(),
                "NUMBER_DOUBLE" => value.is_number(),
                "BOOLEAN" => value.is_boolean(),
                "LIST" => value.is_array(),
                "STRUCT" => value.is_object(),
                _ => false,
            };
            if !fits {
                return Err(Misfit::Type(name.clone(), input.parameter_type.clone()));
            }
        }
        let missing = self.inputs.iter().find(|(name, input)| {
            !input.is_optional && input.default_value.is_none() && !parameters.contains_key(*name)
        });
        missing.map_or(Ok(()), |(name, _)| Err(Misfit::Missing(name.clone())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_held_against_the_pipeline() {
        let spec = Spec::shipped().unwrap();
        let good = json!({
            "training_date": "2026-11-22", "lookback_days": 30, "manifest": "gs://m",
            "features": "gs://f", "models": "gs://m"
        });
        let check = |name: &str, value: Option<Value>| {
            let mut parameters = good.as_object().unwrap().clone();
            match value {
                Some(value) => parameters.insert(name.to_owned(), value),
                None => parameters.remove(name),
            };
            spec.check(&parameters).map_err(|misfit| misfit.to_string())
        };
        assert_eq!(check("lookback_days", Some(json!(30))), Ok(()));
        for (name, value, said) in [
            ("lookback_days", Some(json!("30")), "`lookback_days` is to be a NUMBER_INTEGER"),
            ("lookback_days", Some(json!(30.5)), "`lookback_days` is to be a NUMBER_INTEGER"),
            ("training_date", Some(json!(20_261_122)), "`training_date` is to be a STRING"),
            ("manifest", None, "the pipeline needs `manifest`"),
            ("threshold", Some(json!(0.7)), "the pipeline has no parameter `threshold`"),
        ] {
            assert_eq!(check(name, value), Err(said.to_owned()));
        }
    }

    #[test]
    fn an_older_pipeline_is_refused() {
        assert!(Spec::parse(&SHIPPED.replace("\"2.1.0\"", "\"2.0.0\"")).is_err());
    }
}

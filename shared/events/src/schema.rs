//! JSON Schemas of `parameters`, compiled at start.
//!
//! A schema that only uses what [`Rule`] knows, on members that the parsing pass takes anyway, is
//! checked right there. Every other schema goes through the `jsonschema` crate. A property test
//! holds both to the same verdicts.

use serde_json::{Map, Value};

use crate::parse::{METRIC_NAMES, Member, Parsed};

/// A compiled schema.
#[derive(Debug)]
pub enum Schema {
    /// Checked on the members that the parsing pass took.
    InPass(Vec<Rule>),
    /// Checked on a document built from the raw text.
    Full(Box<jsonschema::Validator>),
}

/// What a schema may ask of one member in the parsing pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    member: usize,
    required: bool,
    types: Vec<Type>,
    minimum: f64,
    maximum: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Integer,
    Number,
    Boolean,
    Texts,
}

/// A schema that is none.
#[derive(Debug, thiserror::Error)]
#[error("the schema of `parameters` cannot be compiled: {0}")]
pub struct SchemaError(String);

impl Schema {
    /// Compiles a schema, into the parsing pass where its keywords allow.
    ///
    /// # Errors
    /// If it is not a valid JSON Schema.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        let validator = full(schema)?;
        Ok(rules(schema).map_or_else(|| Self::Full(Box::new(validator)), Self::InPass))
    }

    /// Compiles a schema for the `jsonschema` crate, whatever its keywords.
    ///
    /// # Errors
    /// If it is not a valid JSON Schema.
    pub fn compile_full(schema: &Value) -> Result<Self, SchemaError> {
        Ok(Self::Full(Box::new(full(schema)?)))
    }

    /// Checks an event's `parameters`.
    ///
    /// # Errors
    /// The name of the member at fault (empty where no single one is).
    pub fn check(&self, event: &Parsed<'_>) -> Result<(), String> {
        match self {
            Self::InPass(rules) => rules
                .iter()
                .find(|rule| !rule.holds(event.metrics[rule.member]))
                .map_or(Ok(()), |rule| Err(METRIC_NAMES[rule.member].to_owned())),
            Self::Full(validator) => {
                let parameters = document(event.parameters);
                validator.validate(&parameters).map_err(|error| at_fault(&error))
            }
        }
    }
}

fn full(schema: &Value) -> Result<jsonschema::Validator, SchemaError> {
    jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .map_err(|error| SchemaError(error.to_string()))
}

impl Rule {
    fn holds(&self, member: Member<'_>) -> bool {
        if member.is_absent() {
            return !self.required;
        }
        let number = member.number();
        let typed = self.types.iter().any(|kind| match kind {
            Type::Text => member.0.starts_with('"'),
            Type::Number => number.is_some(),
            Type::Integer => number.is_some_and(|number| number.fract() == 0.0),
            Type::Boolean => member.boolean().is_some(),
            Type::Texts => member.texts().is_some(),
        });
        typed && number.is_none_or(|n| (self.minimum..=self.maximum).contains(&n))
    }
}

/// The rules of a schema, or `None` if it uses anything else.
fn rules(schema: &Value) -> Option<Vec<Rule>> {
    let schema = schema.as_object()?;
    let known = ["$schema", "title", "description", "type", "required", "properties"];
    let plain = schema.keys().all(|keyword| known.contains(&keyword.as_str()));
    if !plain || schema.get("type").is_some_and(|kind| kind != "object") {
        return None;
    }
    let empty = Map::new();
    let properties = match schema.get("properties") {
        Some(properties) => properties.as_object()?,
        None => &empty,
    };
    let mut rules = properties
        .iter()
        .map(|(name, schema)| rule(metric(name)?, schema))
        .collect::<Option<Vec<_>>>()?;
    let required =
        schema.get("required").map_or(Some(&[][..]), |r| r.as_array().map(Vec::as_slice));
    for name in required? {
        let member = metric(name.as_str()?)?;
        rules.iter_mut().find(|rule| rule.member == member)?.required = true;
    }
    Some(rules)
}

fn metric(name: &str) -> Option<usize> {
    METRIC_NAMES.iter().position(|metric| *metric == name)
}

fn rule(member: usize, schema: &Value) -> Option<Rule> {
    let schema = schema.as_object()?;
    let mut rule = Rule {
        member,
        required: false,
        types: Vec::new(),
        minimum: f64::NEG_INFINITY,
        maximum: f64::INFINITY,
    };
    for (keyword, value) in schema {
        match keyword.as_str() {
            "type" => {
                let names = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                rule.types = names.iter().map(|name| kind(name, schema)).collect::<Option<_>>()?;
            }
            "minimum" => rule.minimum = value.as_f64()?,
            "maximum" => rule.maximum = value.as_f64()?,
            "title" | "description" => {}
            "items" if schema.get("type").is_some_and(|kind| kind == "array") => {}
            _ => return None,
        }
    }
    (!rule.types.is_empty()).then_some(rule)
}

fn kind(name: &Value, schema: &Map<String, Value>) -> Option<Type> {
    match name.as_str()? {
        "string" => Some(Type::Text),
        "integer" => Some(Type::Integer),
        "number" => Some(Type::Number),
        "boolean" => Some(Type::Boolean),
        "array" => {
            let items = schema.get("items")?.as_object()?;
            let texts = items.len() == 1 && items.get("type")? == "string";
            texts.then_some(Type::Texts)
        }
        _ => None,
    }
}

/// `parameters` as a document, without the members that mean absent.
fn document(parameters: Member<'_>) -> Value {
    let Ok(json) = jiter::JsonValue::parse(parameters.0.as_bytes(), false) else {
        return Value::Object(Map::new());
    };
    match value(&json) {
        Value::Object(mut members) => {
            members.retain(|_, value| !value.is_null() && value != "");
            Value::Object(members)
        }
        // Another type is kept in `extras`; the event has no parameters.
        _ => Value::Object(Map::new()),
    }
}

fn value(json: &jiter::JsonValue<'_>) -> Value {
    use jiter::JsonValue as J;
    match json {
        J::Null => Value::Null,
        J::Bool(boolean) => Value::Bool(*boolean),
        J::Int(integer) => (*integer).into(),
        J::BigInt(integer) => double(integer.to_string().parse().unwrap_or(f64::MAX)),
        J::Float(number) => double(*number),
        J::Str(text) => text.as_ref().into(),
        J::Array(items) => items.iter().map(value).collect(),
        J::Object(members) => {
            members.iter().map(|(name, json)| (name.to_string(), value(json))).collect()
        }
    }
}

/// JSON has numbers that no double holds; they are judged as the largest double.
fn double(number: f64) -> Value {
    number.clamp(f64::MIN, f64::MAX).into()
}

fn at_fault(error: &jsonschema::ValidationError<'_>) -> String {
    use jsonschema::error::ValidationErrorKind as Kind;
    if let Kind::Required { property } = error.kind() {
        return property.as_str().unwrap_or_default().to_owned();
    }
    let path = error.instance_path().as_str();
    path.split('/').nth(1).unwrap_or_default().replace("~1", "/").replace("~0", "~")
}

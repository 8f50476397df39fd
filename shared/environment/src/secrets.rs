//! Variables that the platform names by their secrets.

use anyhow::Context as _;
use aws_sdk_secretsmanager::Client;
use questline_runtime::config::Env;
use serde_json::{Map, Value};

/// What a variable's name ends in that holds a secret's name.
const SUFFIX: &str = "_SECRET";

/// The variables of this process. For `QUESTLINE_…_SECRET`, the name or ARN of a secret in AWS
/// Secrets Manager, the variable without `_SECRET` is what that secret holds: all of it, or after a
/// `#` the member so named of the object that it is. Elsewhere platforms set variables from their
/// secrets by themselves.
///
/// # Errors
/// If a secret cannot be read; the text names the variable.
pub async fn variables() -> anyhow::Result<Env> {
    let mut env = Env::of_process();
    let named: Vec<_> = env
        .iter()
        .filter(|(name, place)| name.starts_with("QUESTLINE_") && !place.is_empty())
        .filter_map(|(name, place)| Some((name.strip_suffix(SUFFIX)?, place)))
        .map(|(name, place)| (name.to_owned(), place.to_owned()))
        .collect();
    if named.is_empty() {
        return Ok(env);
    }
    let client = Client::new(&crate::aws::config(&env)?);
    for (name, place) in named {
        let value = read(&client, &place).await.with_context(|| format!("{name}{SUFFIX}"))?;
        env.set(name, value);
    }
    Ok(env)
}

async fn read(client: &Client, place: &str) -> anyhow::Result<String> {
    let (id, member) = place.split_once('#').map_or((place, None), |(id, m)| (id, Some(m)));
    let found = client.get_secret_value().secret_id(id).send().await;
    let found = found.map_err(aws_sdk_secretsmanager::Error::from)?;
    let text = found.secret_string.context("the secret is no text")?;
    let Some(member) = member else { return Ok(text) };
    // What is wrong with a secret is said without showing any of it.
    let members: Option<Map<String, Value>> = serde_json::from_str(&text).ok();
    let value = members.context("the secret is no JSON object")?.remove(member);
    match value {
        Some(Value::String(value)) => Ok(value),
        _ => anyhow::bail!("the secret has no text named `{member}`"),
    }
}

#![doc = include_str!("../README.md")]

mod arrow;
mod daily;
mod letters;
mod put;
mod query;
mod questions;
mod replay;
mod runs;
mod streams;
mod training;
mod values;

pub use letters::BigqueryLetters;
pub use replay::BigqueryReplay;
pub use streams::BigqueryStreams;

use std::fmt;

use google_cloud_auth::credentials::{Builder, Credentials, anonymous, external_account};
use google_cloud_bigquery::{client::BigQuery, query::retry_policy::RetryableErrors};
use google_cloud_gax::retry_policy::RetryPolicyExt as _;
use questline_stores::Cause;

const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
/// A call is made again once: whoever waits has a deadline of seconds.
const ATTEMPTS: u32 = 2;

/// Why BigQuery cannot be used as the environment has it.
#[derive(Debug, thiserror::Error)]
#[error("BigQuery cannot be used so")]
pub struct Unusable(#[source] Cause);

impl Unusable {
    fn because(cause: impl Into<Cause>) -> Self {
        Self(cause.into())
    }
}

/// A dataset, by one identity. Cloning is cheap. It has no `Debug`: what it signs in with is not to
/// be written down.
#[derive(Clone)]
pub struct BigqueryWarehouse {
    client: BigQuery,
    dataset: Dataset,
}

/// Where the tables are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Dataset {
    project: String,
    name: String,
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.project, self.name)
    }
}

impl BigqueryWarehouse {
    /// The dataset `PROJECT.DATASET`, by what the environment says under the names of its variables.
    /// Nothing is asked of it yet.
    ///
    /// # Errors
    /// If the place is of another form, or there is no identity.
    pub async fn open(
        place: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Unusable> {
        let dataset = Dataset::named(place)?;
        let emulator = variable("QUESTLINE_BIGQUERY_REST");
        let account = variable("QUESTLINE_GOOGLE_CREDENTIALS");
        let credentials = credentials(emulator.is_some(), account.as_deref())?;
        let mut builder = BigQuery::builder()
            .with_project_id(&dataset.project)
            .with_credentials(credentials)
            .with_retry_policy(RetryableErrors.with_attempt_limit(ATTEMPTS));
        if let Some(address) = emulator {
            builder = builder.with_endpoint(address);
        }
        let client = builder.build().await.map_err(Unusable::because)?;
        Ok(Self { client, dataset })
    }
}

impl Dataset {
    /// A project's name may have dots, a dataset's has none.
    fn named(place: &str) -> Result<Self, Unusable> {
        let parts = place.rsplit_once('.').filter(|(project, name)| {
            !project.is_empty()
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        let (project, name) = parts
            .ok_or_else(|| Unusable::because(format!("`{place}` is to be PROJECT.DATASET")))?;
        Ok(Self { project: project.to_owned(), name: name.to_owned() })
    }
}

/// An emulator wants nobody; else it is the external account, or whom the platform knows.
fn credentials(emulator: bool, account: Option<&str>) -> Result<Credentials, Unusable> {
    let built = match account {
        _ if emulator => return Ok(anonymous::Builder::new().build()),
        None => Builder::default().with_scopes([SCOPE]).build(),
        Some(json) => {
            let account = serde_json::from_str(json).map_err(Unusable::because)?;
            external_account::Builder::new(account).with_scopes([SCOPE]).build()
        }
    };
    built.map_err(Unusable::because)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_project_and_a_dataset() {
        let dataset = Dataset::named("example.com:games.questline_1").unwrap();
        assert_eq!((&*dataset.project, &*dataset.name), ("example.com:games", "questline_1"));
        for place in ["games", "games.", ".questline", "games.quest-line", ""] {
            let error = Dataset::named(place).unwrap_err();
            let cause = error.0.to_string();
            assert_eq!(cause, format!("`{place}` is to be PROJECT.DATASET"));
        }
    }

    /// Whoever starts with a broken key reads why, and not the key.
    #[tokio::test]
    async fn what_signs_in_is_never_told() {
        let secret = "s3cret-of-the-account";
        for account in [
            format!("{{\"private_key\": \"{secret}\""),
            format!("{{\"type\": \"external_account\", \"secret\": \"{secret}\"}}"),
            secret.to_owned(),
        ] {
            let variable =
                |name: &str| (name == "QUESTLINE_GOOGLE_CREDENTIALS").then(|| account.clone());
            let Err(error) = BigqueryWarehouse::open("games.questline", variable).await else {
                panic!("{account} is taken for an account")
            };
            let mut told = format!("{error:?} {error}");
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                told += &format!(" {error} {error:?}");
                cause = error.source();
            }
            assert!(!told.contains(secret), "{told}");
        }
    }
}

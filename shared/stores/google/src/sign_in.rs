//! Who calls, by an access token.

use std::sync::Arc;

use gcp_auth::TokenProvider;
use google_cloud_auth::credentials::{AccessTokenCredentials, external_account};
use questline_stores::Cause;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// An identity that Google knows. Tokens are kept until shortly before their end.
#[derive(Clone)]
pub(crate) struct SignIn(Identity);

#[derive(Clone)]
enum Identity {
    /// A service account, or that of the platform.
    Google(Arc<dyn TokenProvider>),
    /// An identity of another cloud, exchanged for one of Google's.
    Elsewhere(AccessTokenCredentials),
}

impl SignIn {
    /// The external account that this JSON describes, or what Google's tools find by default.
    pub(crate) async fn find(external_account: Option<&str>) -> Result<Self, Cause> {
        Ok(Self(match external_account {
            None => Identity::Google(gcp_auth::provider().await?),
            Some(json) => {
                let builder = external_account::Builder::new(serde_json::from_str(json)?);
                Identity::Elsewhere(builder.with_scopes([SCOPE]).build_access_token_credentials()?)
            }
        }))
    }

    pub(crate) async fn token(&self) -> Result<String, Cause> {
        Ok(match &self.0 {
            Identity::Google(provider) => provider.token(&[SCOPE]).await?.as_str().to_owned(),
            Identity::Elsewhere(credentials) => credentials.access_token().await?.token,
        })
    }
}

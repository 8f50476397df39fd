//! Who this process is for AWS.

use aws_sdk_secretsmanager::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider, timeout::TimeoutConfig,
};
use aws_types::SdkConfig;
use questline_events::limits::AWS_CALL;
use questline_runtime::config::{ConfigError, Env};

/// What a client of AWS is made from: Lambda tells a function who and where it is by its
/// environment.
///
/// # Errors
/// If it does not.
pub(crate) fn config(env: &Env) -> Result<SdkConfig, ConfigError> {
    let key = env.required("AWS_ACCESS_KEY_ID", "who calls AWS")?;
    let secret = env.required("AWS_SECRET_ACCESS_KEY", "who calls AWS")?;
    let token = env.owned("AWS_SESSION_TOKEN");
    let region = env.required("AWS_REGION", "which AWS is called")?.to_owned();
    let credentials = Credentials::new(key, secret, token, None, "environment");
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .timeout_config(TimeoutConfig::builder().operation_timeout(AWS_CALL).build());
    config.set_endpoint_url(env.owned("AWS_ENDPOINT_URL"));
    Ok(config.build())
}

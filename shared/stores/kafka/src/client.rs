//! What every client shares: its sign-in, and what it says.

use std::sync::{Arc, Mutex, PoisonError};

use questline_stores::log::LogError;
use rdkafka::{
    client::{Client, ClientContext, OAuthToken},
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::native;

/// The context of a client: where its tokens come from, and what it does beside.
#[derive(Clone, Default)]
pub(crate) struct Context<Role = ()> {
    pub(crate) token: Token,
    pub(crate) role: Role,
}

impl Context {
    /// The same for a client that has a role.
    pub(crate) fn of<Role>(&self, role: Role) -> Context<Role> {
        Context { token: self.token.clone(), role }
    }
}

/// The newest token; a task keeps it new, because librdkafka's callback cannot wait.
pub(crate) type Token = Arc<Mutex<Option<OAuthToken>>>;

/// Gives a client that was just made its token. librdkafka asks for one by an event, which only a
/// client that is polled hands on, and some questions are asked before that, or by clients that
/// never are; renewals come by the event.
pub(crate) fn sign_in<C: ClientContext>(token: &Token, client: &Client<C>) {
    let token = token.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(token) = &*token
        && let Err(reason) = native::set_token(client, token)
    {
        tracing::warn!(reason, "kafka.token");
    }
}

impl<Role: Send + Sync> ClientContext for Context<Role> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(
        &self,
        _: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let token = token.as_ref().ok_or("there is no token yet")?;
        Ok(OAuthToken {
            token: token.token.clone(),
            principal_name: token.principal_name.clone(),
            lifetime_ms: token.lifetime_ms,
        })
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(facility, message, "kafka");
            }
            _ => tracing::warn!(facility, message, "kafka"),
        }
    }

    /// A broker that is down is said many times a second; whoever waits for it says it once.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka");
    }
}

impl ConsumerContext for Context {}

/// Lets a client end in a thread of its own: one that has lost sight of its brokers may take for ever.
pub(crate) fn part_with(client: impl Send + 'static) {
    let end = move || drop(client);
    if let Err(error) = std::thread::Builder::new().name("kafka-end".to_owned()).spawn(end) {
        // It has ended here.
        tracing::debug!(%error, "kafka.end");
    }
}

pub(crate) fn unavailable(error: KafkaError) -> LogError {
    LogError::Unavailable(error.into())
}

/// Somebody else has what this process took for its own.
pub(crate) fn is_fenced(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fatal
            | RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::InvalidProducerEpoch
            | RDKafkaErrorCode::ProducerFenced
    )
}

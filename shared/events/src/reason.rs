//! The one closed list of reasons why an event is not accepted.

use std::{fmt, str::FromStr};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Why an event is not accepted: metric label, column and API code alike.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            /// The whole list, in the contract's order.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)+];

            /// The stable short name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $name,)+ }
            }
        }
    };
}

reasons! {
    /// Not one JSON document, a known member given twice, or an unpaired surrogate.
    MalformedJson = "malformed_json",
    /// JSON, but an array, a text, a number or `null`.
    NotAnObject = "not_an_object",
    /// The record names no app: it did not come through ingest.
    MissingApp = "missing_app",
    /// A needed member is absent, `null` or empty.
    MissingField = "missing_field",
    /// A needed member is of another type, or longer than it may be.
    WrongType = "wrong_type",
    /// The timestamp is not RFC 3339.
    InvalidTimestamp = "invalid_timestamp",
    /// More than an hour after `received_at`.
    TimestampInFuture = "timestamp_in_future",
    /// More than 365 days before `received_at`.
    TimestampTooOld = "timestamp_too_old",
    /// `parameters` do not fit the registered schema of the type.
    InvalidParameters = "invalid_parameters",
    /// More bytes than an event may have.
    TooLarge = "too_large",
    /// More nested objects and arrays than an event may have.
    TooDeep = "too_deep",
    /// A type that is not registered, where the configuration refuses those.
    UnregisteredType = "unregistered_type",
    /// The warehouse refused the row for its content.
    WarehouseRefused = "warehouse_refused",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|r| r.as_str() == name)
            .ok_or_else(|| UnknownReason { name: name.to_owned() })
    }
}

/// A name that is not on the list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{name}` is not a reason")]
pub struct UnknownReason {
    name: String,
}

/// Why one event is not accepted, and the member at fault where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The entry of the closed list.
    pub reason: Reason,
    /// The member or the place at fault; empty where the whole record is.
    pub detail: String,
}

impl Fault {
    /// A fault of the whole record.
    #[must_use]
    pub const fn whole(reason: Reason) -> Self {
        Self { reason, detail: String::new() }
    }

    /// A fault of one member.
    #[must_use]
    pub fn of(reason: Reason, member: &str) -> Self {
        Self { reason, detail: member.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_differ() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        assert!("lost".parse::<Reason>().is_err());
    }
}

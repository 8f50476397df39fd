//! Token buckets in events: per key, and per address within a key.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use questline_events::limits::ADDRESSES;

/// How fast a key may send.
#[derive(Debug)]
pub struct Admission {
    key: DefaultDirectRateLimiter,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    limits: (u32, u32),
}

/// A refusal: the limit, in events a second, and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFast {
    /// Whose limit it is.
    pub whose: &'static str,
    /// Events a second.
    pub events_per_second: u32,
    /// When the events would find room.
    pub retry_after: Duration,
}

impl Admission {
    /// Rates in events a second; a request of `burst` events always fits a full bucket. `None` if
    /// a rate is 0.
    #[must_use]
    pub fn new(key_rate: u32, address_rate: u32, burst: usize) -> Option<Self> {
        let burst = u32::try_from(burst).unwrap_or(u32::MAX);
        let quota = |rate: u32| {
            let burst = NonZeroU32::new(rate.max(burst))?;
            Some(Quota::per_second(NonZeroU32::new(rate)?).allow_burst(burst))
        };
        Some(Self {
            key: RateLimiter::direct(quota(key_rate)?),
            addresses: RateLimiter::keyed(quota(address_rate)?),
            limits: (key_rate, address_rate),
        })
    }

    /// Takes tokens for `events` events of an address.
    ///
    /// # Errors
    /// If they are not there.
    pub fn admit(&self, address: Option<IpAddr>, events: usize) -> Result<(), TooFast> {
        let Some(events) = u32::try_from(events).ok().and_then(NonZeroU32::new) else {
            return Ok(());
        };
        if let Some(address) = address {
            if self.addresses.len() > ADDRESSES {
                self.addresses.retain_recent();
            }
            let taken = self.addresses.check_key_n(&address, events);
            refused(taken, "address", self.limits.1)?;
        }
        refused(self.key.check_n(events), "write key", self.limits.0)
    }
}

type Taken<E> = Result<Result<(), NotUntil<<DefaultClock as Clock>::Instant>>, E>;

fn refused<E>(taken: Taken<E>, whose: &'static str, rate: u32) -> Result<(), TooFast> {
    let retry_after = match taken {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(until)) => until.wait_time_from(DefaultClock::default().now()),
        // More than a full bucket: the number of events in a request is limited below that.
        Err(_) => Duration::from_secs(1),
    };
    Err(TooFast { whose, events_per_second: rate, retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_take_what_belongs_to_others() {
        let admission = Admission::new(1_000, 10, 50).unwrap();
        let (one, two) = (Some([10, 0, 0, 1].into()), Some([10, 0, 0, 2].into()));
        assert_eq!(admission.admit(one, 50), Ok(()));
        let refused = admission.admit(one, 50).unwrap_err();
        assert_eq!((refused.whose, refused.events_per_second), ("address", 10));
        assert!(refused.retry_after > Duration::from_secs(4));
        assert_eq!(admission.admit(two, 50), Ok(()));
    }

    #[test]
    fn a_key_has_a_limit_of_its_own() {
        let admission = Admission::new(100, 1_000, 50).unwrap();
        assert_eq!(admission.admit(None, 100), Ok(()));
        assert_eq!(admission.admit(None, 0), Ok(()));
        assert_eq!(admission.admit(None, 50).unwrap_err().whose, "write key");
        assert!(Admission::new(0, 1, 1).is_none());
    }
}

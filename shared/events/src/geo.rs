//! Where an address is: a MaxMind-format database, read by the field's crate.

use std::net::IpAddr;

use maxminddb::Reader;
use serde::Deserialize;

use crate::version::fingerprint;

/// A place, as far as the database knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place<'l> {
    /// ISO 3166-1 code, such as `DE`.
    pub country: Option<&'l str>,
    /// Code of the first subdivision, such as `BE`.
    pub region: Option<&'l str>,
    /// English name.
    pub city: Option<&'l str>,
}

/// An open database.
#[derive(Debug)]
pub struct Geo {
    reader: Reader<Vec<u8>>,
    version: String,
}

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the geo database cannot be read: is it a MaxMind DB file (.mmdb)?")]
pub struct GeoError(#[from] maxminddb::MaxMindDbError);

/// The members of a record that we read. `GeoIP2` databases nest names; free country databases
/// have them flat.
#[derive(Deserialize)]
struct Record<'l> {
    #[serde(borrow)]
    country: Option<Coded<'l>>,
    country_code: Option<&'l str>,
    #[serde(borrow, default)]
    subdivisions: Vec<Coded<'l>>,
    #[serde(borrow)]
    city: Option<City<'l>>,
}

#[derive(Deserialize)]
struct Coded<'l> {
    iso_code: Option<&'l str>,
}

#[derive(Deserialize)]
struct City<'l> {
    #[serde(borrow)]
    names: Option<Names<'l>>,
}

#[derive(Deserialize)]
struct Names<'l> {
    en: Option<&'l str>,
}

impl Geo {
    /// Opens a database from its bytes.
    ///
    /// # Errors
    /// If they are no MaxMind database.
    pub fn open(bytes: Vec<u8>) -> Result<Self, GeoError> {
        let hash = fingerprint(&bytes);
        let reader = Reader::from_source(bytes)?;
        let metadata = reader.metadata();
        let built = crate::time::text(i64::try_from(metadata.build_epoch).unwrap_or(0) * 1_000_000);
        let version = format!("{} {} {hash}", metadata.database_type, &built[..10]);
        Ok(Self { reader, version })
    }

    /// Which database this is: its type, its day and the head of its hash.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Looks an address up. `None` if the database is damaged at that place; an address that it
    /// does not know is a [`Place`] without names.
    #[must_use]
    pub fn place(&self, address: IpAddr) -> Option<Place<'_>> {
        let Ok(found) = self.reader.lookup(address) else {
            // An IPv6 address in a database of IPv4 is simply not known.
            let unknown = address.is_ipv6() && self.reader.metadata().ip_version == 4;
            return unknown.then(Place::default);
        };
        let record: Record<'_> = match found.decode() {
            Ok(Some(record)) => record,
            Ok(None) => return Some(Place::default()),
            Err(_) => return None,
        };
        Some(Place {
            country: record.country.and_then(|country| country.iso_code).or(record.country_code),
            region: record.subdivisions.first().and_then(|region| region.iso_code),
            city: record.city.and_then(|city| city.names).and_then(|names| names.en),
        })
    }
}

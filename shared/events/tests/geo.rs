//! MaxMind's own test databases, from the folder that `QUESTLINE_REAL_DATA` names.
#![expect(clippy::disallowed_methods, reason = "the databases are files")]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use questline_events::geo::{Geo, Place};

fn databases() -> Option<PathBuf> {
    let Ok(data) = std::env::var("QUESTLINE_REAL_DATA") else {
        questline_testing::skip("real-data", "QUESTLINE_REAL_DATA is not set");
        return None;
    };
    Some(Path::new(&data).join("maxmind-test"))
}

#[test]
fn every_known_address_is_where_the_catalogue_says() {
    let Some(folder) = databases() else { return };
    let geo = Geo::open(fs::read(folder.join("GeoIP2-City-Test.mmdb")).unwrap()).unwrap();
    let mut table = csv::Reader::from_path(folder.join("expected_city_lookups.csv")).unwrap();
    let mut checked = 0;
    for row in table.records().map(Result::unwrap) {
        let named = |at: usize| Some(&row[at]).filter(|name| !name.is_empty());
        let expected = Place { country: named(3), region: named(4), city: named(5) };
        assert_eq!(geo.place(row[0].parse().unwrap()), Some(expected), "{}", &row[0]);
        checked += 1;
    }
    assert_eq!(checked, 251);
}

/// A damaged database is refused, or does not know: it never takes the process with it.
#[test]
fn a_damaged_database_is_refused_or_does_not_know() {
    let Some(folder) = databases() else { return };
    let mut files = vec![
        folder.join("GeoIP2-City-Test-Broken-Double-Format.mmdb"),
        folder.join("GeoIP2-City-Test-Invalid-Node-Count.mmdb"),
    ];
    for maker in fs::read_dir(folder.join("bad-data")).unwrap().map(Result::unwrap) {
        if maker.path().is_dir() {
            files.extend(fs::read_dir(maker.path()).unwrap().map(|file| file.unwrap().path()));
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "mmdb"));
    assert_eq!(files.len(), 23);
    let mut refused = 0;
    for file in files {
        match Geo::open(fs::read(&file).unwrap()) {
            Ok(geo) => {
                for at in 0..=u8::MAX {
                    _ = geo.place(IpAddr::V4(Ipv4Addr::new(at, at, 1, at)));
                    _ = geo.place(IpAddr::V6(Ipv6Addr::from(u128::from(at) << 112 | 1)));
                }
            }
            Err(error) => {
                assert!(error.to_string().contains("geo database"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "no file was refused");
    for bytes in [&b""[..], b"no database", &[0xff; 4_096]] {
        assert!(Geo::open(bytes.to_vec()).is_err());
    }
}

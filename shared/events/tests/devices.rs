//! The table that ships: large enough to be of use, and right about devices everybody knows.

use questline_events::device::{Device, Devices};

const TABLE: &[u8] = include_bytes!("../devices.tsv");

#[test]
fn it_is_right_about_devices_everybody_knows() {
    let devices = Devices::parse(TABLE).unwrap();
    for (model, category, tier) in [
        ("iPhone14,2", "phone", Some("high")),
        ("iPhone 13 Pro", "phone", Some("high")),
        ("iPhone6,1", "phone", Some("low")),
        ("SM-G991B", "phone", Some("high")),
        ("Galaxy S21 5G", "phone", Some("high")),
        ("Samsung Galaxy S21 5G", "phone", Some("high")),
        ("samsung SM-G991B", "phone", Some("high")),
        ("SM-A105F", "phone", Some("low")),
        ("Pixel 7", "phone", Some("high")),
        ("iPad13,1", "tablet", Some("high")),
        // Quoted in its source, for the comma.
        ("iPad Pro (12.9-inch, 2nd generation)", "tablet", Some("low")),
        ("iPod9,1", "phone", Some("low")),
        // Any of them reports this, so it cannot tell the tier.
        ("iPhone", "phone", None),
    ] {
        let expected = Device { category: category.into(), tier: tier.map(Into::into) };
        assert_eq!(devices.get(model), Some(&expected), "{model}");
    }
    assert_eq!(devices.get("no such device"), None);
}

#[test]
fn it_is_large_enough_to_be_of_use_and_small_enough_to_ship() {
    let devices = Devices::parse(TABLE).unwrap();
    let models: usize = devices.version().split(' ').next().unwrap().parse().unwrap();
    assert!(models > 20_000, "{models} models");
    assert!(TABLE.len() < 1_200_000, "{} bytes", TABLE.len());
    // Every line is a model of its own, however the reader compares them.
    assert_eq!(models + 1, TABLE.split(|&byte| byte == b'\n').count() - 1);
}

#[test]
fn it_says_only_what_is_agreed() {
    let table = str::from_utf8(TABLE).unwrap();
    for line in table.lines().skip(1) {
        let (model, rest) = line.split_once('\t').unwrap();
        let (category, tier) = rest.split_once('\t').unwrap();
        assert!((1..=64).contains(&model.len()), "{line}");
        assert!(
            ["phone", "tablet", "tv", "wearable", "chromebook", "car"].contains(&category),
            "{line}"
        );
        assert!(["low", "mid", "high", ""].contains(&tier), "{line}");
    }
    assert!(table.lines().skip(1).is_sorted_by_key(|line| line.split('\t').next()));
}

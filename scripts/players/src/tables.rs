//! What players have and buy, with weights.

/// A country in which the game is played.
#[derive(Debug)]
pub(crate) struct Country {
    /// ISO 3166-1 code.
    #[expect(dead_code, reason = "it says which row this is")]
    pub(crate) code: &'static str,
    /// Players of a hundred.
    pub(crate) weight: u32,
    /// The share of iOS.
    pub(crate) ios: f64,
    /// The first two octets of networks whose addresses are all in the country.
    pub(crate) networks: &'static [(u8, u8)],
}

const fn country(
    code: &'static str,
    weight: u32,
    ios: f64,
    networks: &'static [(u8, u8)],
) -> Country {
    Country { code, weight, ios, networks }
}

/// The countries. The networks are those of large access providers.
pub(crate) const COUNTRIES: &[Country] = &[
    country("US", 22, 0.56, &[(73, 162), (98, 207)]),
    country("IN", 10, 0.05, &[(106, 79), (117, 229)]),
    country("BR", 9, 0.18, &[(177, 101), (187, 23)]),
    country("JP", 7, 0.64, &[(126, 219), (219, 18)]),
    country("DE", 6, 0.36, &[(87, 155), (93, 233)]),
    country("GB", 6, 0.50, &[(81, 154), (86, 150)]),
    country("MX", 5, 0.22, &[(187, 190), (189, 152)]),
    country("ID", 4, 0.11, &[(36, 75), (125, 161)]),
    country("FR", 4, 0.36, &[(86, 218), (90, 38)]),
    country("TR", 4, 0.18, &[(78, 173), (88, 239)]),
    country("KR", 3, 0.28, &[(121, 179), (175, 121)]),
    country("IT", 3, 0.31, &[(79, 20), (87, 11)]),
    country("ES", 3, 0.26, &[(81, 39), (88, 29)]),
    country("CA", 3, 0.60, &[(24, 108), (67, 69)]),
    country("PH", 2, 0.14, &[(49, 145), (112, 201)]),
    country("VN", 2, 0.30, &[(113, 167), (171, 235)]),
    country("AR", 2, 0.13, &[(181, 92), (190, 137)]),
    country("AU", 2, 0.58, &[(1, 40), (122, 104)]),
    country("TH", 2, 0.31, &[(49, 229), (171, 96)]),
    country("PL", 2, 0.10, &[(79, 184), (83, 27)]),
    country("NL", 2, 0.41, &[(77, 171), (86, 82)]),
    country("SE", 1, 0.57, &[(78, 72), (90, 143)]),
];

/// A model in the form in which its system reports it, and how common it is.
pub(crate) type Device = (&'static str, u32);

/// iOS reports identifiers.
pub(crate) const IOS: &[Device] = &[
    ("iPhone12,1", 13),
    ("iPhone14,5", 12),
    ("iPhone13,2", 11),
    ("iPhone14,7", 10),
    ("iPhone15,2", 9),
    ("iPhone15,3", 9),
    ("iPhone11,8", 8),
    ("iPhone14,2", 7),
    ("iPhone12,8", 5),
    ("iPhone10,4", 3),
    ("iPad7,11", 4),
    ("iPad11,6", 4),
    ("iPad12,1", 3),
    ("iPad13,1", 2),
];

/// Android reports `Build.MODEL`.
pub(crate) const ANDROID: &[Device] = &[
    ("SM-A546B", 8),
    ("SM-A515F", 8),
    ("SM-A127F", 8),
    ("SM-A136B", 6),
    ("SM-S918B", 6),
    ("SM-G991B", 6),
    ("SM-A105F", 5),
    ("SM-J600G", 3),
    ("SM-T500", 3),
    ("SM-X205", 2),
    ("Redmi Note 8", 6),
    ("M2006C3LG", 6),
    ("M2101K7AG", 5),
    ("2201117TG", 4),
    ("CPH2269", 5),
    ("V2111", 4),
    ("RMX3085", 4),
    ("moto g(30)", 4),
    ("Pixel 7", 3),
    ("Pixel 6a", 2),
    ("TECNO KG5j", 2),
    ("Lenovo TB-X306F", 1),
];

/// A thing on sale: name, price in US dollars as JSON, boosters in it, and how often it is bought.
pub(crate) type Item = (&'static str, &'static str, u8, u32);

/// The shop.
pub(crate) const ITEMS: &[Item] = &[
    ("extra_moves", "0.99", 1, 42),
    ("booster_pack_small", "1.99", 3, 26),
    ("booster_pack", "4.99", 8, 20),
    ("coins_large", "9.99", 15, 9),
    ("treasure_chest", "19.99", 30, 3),
];

/// What helps in a level.
pub(crate) const BOOSTERS: &[&str] =
    &["hammer", "rocket", "bomb", "color_bomb", "shuffle", "extra_moves"];

/// Where advertisements are shown.
pub(crate) const PLACEMENTS: &[&str] = &["level_end", "extra_moves", "daily_gift"];

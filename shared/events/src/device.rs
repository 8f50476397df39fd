//! What a device model is: a table from model to category and tier, built from a real catalogue.

use hashbrown::HashMap;
use serde::Deserialize;
use smallvec::SmallVec;

use crate::version::fingerprint;

/// What the table knows of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Device {
    /// phone, tablet, tv, wearable, chromebook, car
    pub category: Box<str>,
    /// low, mid, high; absent where the catalogue has nothing to tell it by.
    pub tier: Option<Box<str>>,
}

/// The table. Models are compared without regard to ASCII case.
#[derive(Debug, Default)]
pub struct Devices {
    models: HashMap<Box<[u8]>, Device>,
    version: String,
}

/// A table that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the device table is not a tab-separated file of model, category, tier")]
pub struct DevicesError(#[from] csv::Error);

impl Devices {
    /// Reads a tab-separated table with the head `model  category  tier`.
    ///
    /// # Errors
    /// If it is not such a table.
    pub fn parse(table: &[u8]) -> Result<Self, DevicesError> {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(b'\t').quoting(false).from_reader(table);
        let mut models = HashMap::new();
        for row in reader.deserialize() {
            let (model, category, tier): (String, Box<str>, Option<Box<str>>) = row?;
            models.insert(lower(&model).into_boxed_slice(), Device { category, tier });
        }
        let version = format!("{} models {}", models.len(), fingerprint(table));
        Ok(Self { models, version })
    }

    /// Which table this is: its size and the head of its hash.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the table knows of a model. Engines put the maker before it ("LGE Nexus 5"), so a
    /// model that is not found is tried again without its first word.
    #[must_use]
    pub fn get(&self, model: &str) -> Option<&Device> {
        let model = lower(model);
        self.models.get(model.as_slice()).or_else(|| {
            let blank = model.iter().position(|byte| *byte == b' ')?;
            self.models.get(&model[blank + 1..])
        })
    }
}

fn lower(model: &str) -> SmallVec<[u8; 64]> {
    model.bytes().map(|byte| byte.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_in_any_case() {
        let devices =
            Devices::parse(b"model\tcategory\ttier\niPhone14,2\tphone\thigh\nTab\ttablet\t\n");
        let devices = devices.unwrap();
        assert_eq!(devices.get("IPHONE14,2").unwrap().tier.as_deref(), Some("high"));
        assert_eq!(devices.get("tab").unwrap().tier, None);
        assert_eq!(devices.get("Apple iPhone14,2").unwrap().tier.as_deref(), Some("high"));
        assert_eq!(devices.get("Nokia 3310"), None);
        assert!(Devices::parse(b"model\tcategory\ttier\nonly one\n").is_err());
    }
}

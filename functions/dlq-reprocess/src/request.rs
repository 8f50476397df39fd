//! What is asked of one run, as JSON.

use std::collections::BTreeMap;

use questline_events::{Reason, limits::REPROCESS_RATE, time};
use questline_stores::letters::{Cursor, Selection};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fix::{Fix, Kind, Path};

/// Seconds of the longest call: what is left is for the next one.
const LONGEST_CALL: u64 = 86_400;

/// Which letters, and what is to be done to them. Empty members select everything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// Entry of the closed list of reasons.
    pub reason: Option<String>,
    /// The app.
    pub app: Option<String>,
    /// Judged at this moment or later: RFC 3339.
    pub from: Option<String>,
    /// Judged before this moment: RFC 3339.
    pub to: Option<String>,
    /// Release and lookups that judged it: `events_dlq.function_version`.
    pub version: Option<String>,
    /// Only letters written while the app's brake was pulled.
    pub held: bool,
    /// Only tell how many would pass now, and why the others would not.
    pub dry_run: bool,
    /// Members to be set: `{"platform": "ios"}`.
    pub set: BTreeMap<String, Value>,
    /// Members to be renamed, from and to: `{"parameters.lvl": "parameters.level_id"}`.
    pub rename: BTreeMap<String, String>,
    /// Members to be cast: `{"parameters.level_id": "text"}`.
    pub cast: BTreeMap<String, Kind>,
    /// Letters a second, at most.
    pub rate: Option<u32>,
    /// Seconds that this call may take; what is left is for the next one.
    pub seconds: Option<u64>,
    /// Where an earlier call ended: its report's `resume`.
    pub resume: Option<Resume>,
}

/// Where a call ended before its selection did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The run.
    pub run: String,
    /// When it began, microseconds since 1970: letters written later are not its.
    pub began: i64,
    /// The last letter that was looked at.
    pub after: Cursor,
    /// The log did not take a page of the run: what it counted is not known to the ledger.
    #[serde(default)]
    pub unproved: bool,
}

/// A request that can be carried out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which letters.
    pub selection: Selection,
    /// In the order rename, cast, set.
    pub fixes: Vec<Fix>,
    /// Letters a second.
    pub rate: u32,
}

/// Why a request cannot be carried out, for whoever wrote it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl Request {
    /// Checks the request.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn plan(&self) -> Result<Plan, Unusable> {
        let unusable = |why: String| Err(Unusable(why));
        if let Some(reason) = &self.reason
            && reason.parse::<Reason>().is_err()
        {
            let known: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
            return unusable(format!("`{reason}` is no reason; there are {}", known.join(", ")));
        }
        let moment = |name: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => match time::parse(text) {
                Some(micros) => Ok(Some(micros)),
                None => Err(Unusable(format!("`{name}` is to be a moment, 2026-11-23T12:00:00Z"))),
            },
        };
        let rate = self.rate.unwrap_or(REPROCESS_RATE);
        if rate == 0 {
            return unusable("`rate` is to be 1 or more letters a second".to_owned());
        }
        if self.seconds.is_some_and(|seconds| seconds > LONGEST_CALL) {
            return unusable(format!("`seconds` is to be {LONGEST_CALL} at most: a day"));
        }
        let renames =
            self.rename.iter().map(|(from, to)| Fix::Rename(Path::of(from), Path::of(to)));
        let casts = self.cast.iter().map(|(name, kind)| Fix::Cast(Path::of(name), *kind));
        let sets = self.set.iter().map(|(name, value)| Fix::Set(Path::of(name), value.clone()));
        let fixes: Vec<Fix> = renames.chain(casts).chain(sets).collect();
        for fix in &fixes {
            if let Fix::Rename(path, _) | Fix::Cast(path, _) | Fix::Set(path, _) = fix
                && path.is_id()
            {
                return unusable(
                    "`id` cannot be changed: it is what tells events apart; one that is missing \
                     can be taken from another member, by renaming that"
                        .to_owned(),
                );
            }
        }
        let selection = Selection {
            reason: self.reason.clone(),
            app: self.app.clone(),
            from: moment("from", &self.from)?,
            to: moment("to", &self.to)?,
            version: self.version.clone(),
            held: self.held,
        };
        Ok(Plan { selection, fixes, rate })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(request: Value) -> Result<Plan, String> {
        let request: Request = serde_json::from_value(request).map_err(|e| e.to_string())?;
        request.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (request, named) in [
            (json!({"reason": "lost"}), "`lost`"),
            (json!({"from": "yesterday"}), "`from`"),
            (json!({"set": {"id": "x"}}), "`id` cannot be changed"),
            (json!({"cast": {"id": "text"}}), "`id` cannot be changed"),
            (json!({"rename": {"id": "event_id"}}), "`id` cannot be changed"),
            (json!({"cast": {"a": "date"}}), "date"),
            (json!({"rate": 0}), "`rate`"),
            (json!({"seconds": u64::MAX}), "`seconds`"),
            (json!({"drop": true}), "drop"),
        ] {
            let said = plan(request).unwrap_err();
            assert!(said.contains(named), "{said}");
        }
        let plan = plan(json!({"rename": {"event_id": "id"}, "from": "2026-11-23T12:00:00Z"}));
        assert_eq!(plan.unwrap().selection.from, Some(1_795_435_200_000_000));
    }
}

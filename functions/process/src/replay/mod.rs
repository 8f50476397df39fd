//! Replay: source positions of a range of the log's time are read again with today's code, and their
//! rows replaced.
//!
//! The ledger counts positions, so none that it counts may vanish and none come twice: a position
//! that has a row gets another one, whatever the window says of it; `events_unique` tells copies
//! apart. One that has none was a duplicate, and stays one where its identity is known from before;
//! where it is not, its row was lost, and comes back.

mod archive;
mod http;
mod job;
mod report;
mod request;
mod run;

pub use archive::Archive;
pub use http::answer;
pub use job::job;
pub use report::{Progress, Report};
pub use request::{Request, Unusable};
pub use run::{Failure, Planned, Replay};

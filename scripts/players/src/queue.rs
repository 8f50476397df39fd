//! Requests that wait for their moment.

use std::{cmp::Ordering, collections::BinaryHeap};

use crate::Request;

/// Requests by the moment of sending; those of one moment in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: BinaryHeap<Waiting>,
    came: u64,
}

#[derive(Debug)]
struct Waiting {
    came: u64,
    request: Request,
}

impl Queue {
    /// The next request, if it is sent not later than this moment.
    pub(crate) fn pop(&mut self, latest: i64) -> Option<Request> {
        if self.waiting.peek()?.request.at > latest {
            return None;
        }
        self.waiting.pop().map(|waiting| waiting.request)
    }
}

impl Extend<Request> for Queue {
    fn extend<I: IntoIterator<Item = Request>>(&mut self, requests: I) {
        for request in requests {
            self.came += 1;
            self.waiting.push(Waiting { came: self.came, request });
        }
    }
}

impl Ord for Waiting {
    /// The earliest is the greatest: the heap has its greatest on top.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.request.at, other.came).cmp(&(self.request.at, self.came))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

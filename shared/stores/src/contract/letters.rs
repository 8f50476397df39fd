//! What every warehouse does for whoever brings dead letters back.

use std::sync::Arc;

use bytes::Bytes;
use questline_events::{
    Fault, Reason,
    headers::{Block, Envelope},
    record::Record,
    row::{LetterRows, Postmark, ReprocessedRows, Source},
};

use crate::{
    letters::{Cursor, Letters, Selection, WaitingLetter},
    warehouse::{Rows, Warehouse},
};

/// An open warehouse with empty tables.
pub struct OpenLetters {
    /// Processing's side, which writes them.
    pub warehouse: Arc<dyn Warehouse>,
    /// Reprocess's side.
    pub letters: Arc<dyn Letters>,
}

const MORNING: i64 = 1_795_435_200_000_000;
const SECOND: i64 = 1_000_000;
const VALUE: &[u8] = b"\xff{\"id\":1}";

/// A letter of the test: where it was read, when it was judged, and what else is its own.
#[derive(Clone, Copy)]
struct Written {
    offset: i64,
    seconds: i64,
    reason: Reason,
    app: &'static str,
    version: &'static str,
    held: bool,
    /// The letter that it is once more, for that time.
    again: Option<(&'static str, i64)>,
}

const PLAIN: Written = Written {
    offset: 0,
    seconds: 0,
    reason: Reason::WrongType,
    app: "a",
    version: "1",
    held: false,
    again: None,
};

/// In the order in which they are brought back. Of two of one moment the lower identity is first.
const ALL: [Written; 6] = [
    PLAIN,
    Written { offset: 1, ..PLAIN },
    Written { offset: 2, reason: Reason::TooLarge, ..PLAIN },
    Written { offset: 3, seconds: 1, app: "b", held: true, ..PLAIN },
    Written { offset: 4, seconds: 2, version: "2", ..PLAIN },
    Written { offset: 5, seconds: 90_000, ..PLAIN },
];

fn record<'a>(of: &Written, headers: &'a [u8]) -> Record<'a> {
    Record {
        partition: 3,
        offset: of.offset,
        log_time_ms: MORNING / 1_000,
        key: None,
        value: Some(VALUE),
        headers: Block(headers),
        envelope: Envelope {
            app_id: Some(of.app),
            received_at: MORNING - SECOND / 4,
            letter: of.again.map(|(letter, _)| letter),
            attempts: of.again.map_or(0, |(_, attempts)| attempts),
            ..Envelope::default()
        },
    }
}

fn headers() -> Vec<u8> {
    let mut block = Vec::new();
    Block::push(&mut block, "odd", b"\xff\x00");
    Block::push(&mut block, "app_id", "é\"".as_bytes());
    block
}

/// Writes letters; those that came again are noted as brought back before.
async fn write(open: &OpenLetters, letters: &[Written], outcome: Option<&str>) {
    let headers = headers();
    let (mut rows, mut reprocessed) = (LetterRows::default(), ReprocessedRows::default());
    for letter in letters {
        let record = record(letter, &headers);
        let source = Source { log_id: "log", partition: 3, offset: letter.offset };
        let failed_at = MORNING + letter.seconds * SECOND;
        let postmark = Postmark { failed_at, function_version: letter.version };
        let fault = Fault { reason: letter.reason, detail: "type".into() };
        if outcome.is_none_or(|outcome| outcome == "dead_lettered") {
            rows.push(&record, &fault, letter.held, source, postmark);
        }
        reprocessed.push(&record, outcome.unwrap_or_default(), source, postmark);
    }
    let tables = vec![
        (LetterRows::TABLE, rows.finish().unwrap()),
        (ReprocessedRows::TABLE, reprocessed.finish().unwrap()),
    ];
    let tables = tables.into_iter().filter(|(_, rows)| rows.num_rows() > 0).collect();
    let rows = Rows { log_id: "log".to_owned(), tables, positions: Vec::new(), places: None };
    open.warehouse.write(rows).await.unwrap();
}

/// All that wait of a selection, read in pages: the numbers of their records, and how often each came.
async fn waiting(open: &OpenLetters, selection: &Selection, most: usize) -> Vec<(i64, i64)> {
    let (mut found, mut after) = (Vec::new(), Cursor::default());
    loop {
        let page = open.letters.waiting(selection, &after, most).await.unwrap();
        assert!(page.len() <= most);
        let Some(last) = page.last() else { break };
        after = last.cursor.clone();
        found.extend(page.iter().map(|letter| (number(letter), letter.attempts)));
    }
    let count = open.letters.count(selection).await.unwrap();
    assert_eq!(count, found.len() as u64, "{selection:?}");
    found
}

fn number(letter: &WaitingLetter) -> i64 {
    letter.cursor.letter.rsplit('/').next().unwrap().parse().unwrap()
}

/// Runs every case.
///
/// # Panics
/// If the warehouse breaks the contract.
pub async fn suite(open: OpenLetters) {
    assert_eq!(waiting(&open, &Selection::default(), 2).await, []);
    write(&open, &ALL, None).await;
    letters_come_back_as_they_went(&open).await;
    what_is_selected_is_what_fits(&open).await;
    pages_are_in_order_and_can_be_asked_again(&open).await;
    what_was_brought_back_does_not_wait(&open).await;
}

async fn letters_come_back_as_they_went(open: &OpenLetters) {
    let page = open.letters.waiting(&Selection::default(), &Cursor::default(), 1).await.unwrap();
    let [letter] = page.try_into().unwrap();
    assert_eq!(letter.cursor, Cursor { failed_at: MORNING, letter: "log/3/0".to_owned() });
    assert_eq!((letter.attempts, &*letter.reason), (0, "wrong_type"));
    assert_eq!(letter.detail.as_deref(), Some("type"));
    assert_eq!(letter.received_at, MORNING - SECOND / 4);
    assert_eq!((letter.key, letter.value), (None, Some(Bytes::from_static(VALUE))));
    assert_eq!(letter.headers.block(), Block(&headers()));
    assert_eq!(letter.partition, 3);
}

async fn what_is_selected_is_what_fits(open: &OpenLetters) {
    let any = Selection::default();
    let text = |text: &str| Some(text.to_owned());
    for (selection, expected) in [
        (any.clone(), vec![0, 1, 2, 3, 4, 5]),
        (Selection { reason: text("too_large"), ..any.clone() }, vec![2]),
        (Selection { app: text("b"), ..any.clone() }, vec![3]),
        (Selection { version: text("2"), ..any.clone() }, vec![4]),
        (Selection { held: true, ..any.clone() }, vec![3]),
        (Selection { from: Some(MORNING + SECOND), ..any.clone() }, vec![3, 4, 5]),
        (Selection { to: Some(MORNING + SECOND), ..any.clone() }, vec![0, 1, 2]),
        (Selection { app: text("' OR TRUE --"), ..any }, vec![]),
    ] {
        let found: Vec<_> =
            waiting(open, &selection, 2).await.into_iter().map(|(n, _)| n).collect();
        assert_eq!(found, expected, "{selection:?}");
    }
}

async fn pages_are_in_order_and_can_be_asked_again(open: &OpenLetters) {
    let any = Selection::default();
    let page = async |selection: &Selection, after: &Cursor| {
        let page = open.letters.waiting(selection, after, 2).await.unwrap();
        (page.iter().map(number).collect::<Vec<_>>(), page.last().map(|last| last.cursor.clone()))
    };
    let (first, after) = page(&any, &Cursor::default()).await;
    let after = after.unwrap();
    assert_eq!(first, [0, 1]);
    for _ in 0..2 {
        let (second, _) = page(&any, &after).await;
        assert_eq!(second, [2, 3], "whoever asks again is answered again");
    }
    // Another selection at the same place is another question.
    let large = Selection { reason: Some("too_large".to_owned()), ..any.clone() };
    assert_eq!(page(&large, &after).await.0, [2]);
    // A letter of the second that was asked for last waits since then.
    write(open, &[Written { offset: 9, ..PLAIN }], None).await;
    assert_eq!(page(&any, &after).await.0, [2, 9]);
}

async fn what_was_brought_back_does_not_wait(open: &OpenLetters) {
    let again = |offset, letter| Written { offset, again: Some((letter, 1)), ..PLAIN };
    write(open, &[again(20, "log/3/0")], Some("accepted")).await;
    write(open, &[again(21, "log/3/1")], Some("dead_lettered")).await;
    // Judged twice: the first judgement counts.
    write(open, &[Written { seconds: 50, ..ALL[4] }], None).await;
    let expected = [(1, 1), (2, 0), (9, 0), (3, 0), (4, 0), (5, 0)];
    assert_eq!(waiting(open, &Selection::default(), 4).await, expected);
}

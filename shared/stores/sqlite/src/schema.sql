-- What one commit appended to one topic.
CREATE TABLE IF NOT EXISTS batch (
    -- topic << 48 | number of the row within the topic, without gaps
    id INTEGER PRIMARY KEY,
    -- the newest timestamp of this row and all before it, milliseconds since 1970
    newest_ms INTEGER NOT NULL,
    -- the offset at which each partition begins in this row: 64-bit little endian
    starts BLOB NOT NULL,
    -- heads and keys of the records
    meta BLOB NOT NULL,
    -- values of the records, lz4
    body BLOB NOT NULL
);

CREATE TABLE IF NOT EXISTS committed (
    consumers TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    PRIMARY KEY (consumers, partition)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS log (
    id TEXT NOT NULL,
    -- what a later release must be able to read
    format INTEGER NOT NULL,
    -- touched to find out whether the log can be written
    probed_ms INTEGER NOT NULL
);

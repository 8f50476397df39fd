-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS staged_positions (
  source_partition BIGINT NOT NULL,
  source_offset BIGINT NOT NULL,
  found TEXT NOT NULL,
  counted BOOLEAN NOT NULL,
  event_date DATE,
  received_date DATE,
  run TEXT NOT NULL,
  staged_at TIMESTAMPTZ NOT NULL
);

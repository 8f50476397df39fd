-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS ledger_days (
  received_date DATE NOT NULL,
  log_id TEXT NOT NULL,
  hop TEXT NOT NULL,
  records BIGINT NOT NULL,
  minutes BIGINT NOT NULL,
  unproved BIGINT NOT NULL,
  residue BIGINT NOT NULL
);

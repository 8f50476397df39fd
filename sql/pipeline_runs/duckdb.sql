-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS pipeline_runs (
  event_date DATE NOT NULL,
  run_id TEXT NOT NULL,
  step TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  state TEXT NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ,
  error TEXT,
  snapshot_rows BIGINT,
  snapshot_touches BIGINT
);

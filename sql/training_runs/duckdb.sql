-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS training_runs (
  training_date DATE NOT NULL,
  attempt BIGINT NOT NULL,
  job_id TEXT,
  state TEXT NOT NULL,
  detail TEXT,
  manifest TEXT,
  pipeline_version TEXT NOT NULL,
  function_version TEXT NOT NULL,
  lookback_days BIGINT NOT NULL,
  days_present BIGINT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL
);

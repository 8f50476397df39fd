CREATE TABLE IF NOT EXISTS pipeline_runs (
  event_date DATE NOT NULL OPTIONS (description = 'day that is closed; the partition'),
  run_id STRING NOT NULL OPTIONS (description = 'one run of the day, with its resumes'),
  step STRING NOT NULL OPTIONS (description = 'wait, or what the step writes'),
  attempt INT64 NOT NULL OPTIONS (description = 'from 1'),
  state STRING NOT NULL OPTIONS (description = 'waiting, running, done, failed or skipped'),
  started_at TIMESTAMP NOT NULL OPTIONS (description = 'when the attempt began'),
  finished_at TIMESTAMP OPTIONS (description = 'when it ended; NULL while it runs, or if it was killed'),
  error STRING OPTIONS (description = 'what went wrong, and its mend'),
  snapshot_rows INT64 OPTIONS (description = 'step day_rows: rows of events of the day when day_rows was written'),
  snapshot_touches INT64 OPTIONS (description = 'step day_rows: entries of touched_days of the day at that moment')
)
PARTITION BY event_date
CLUSTER BY step, state
OPTIONS (
  description = 'Attempts of the steps of the daily run'
);

CREATE TABLE IF NOT EXISTS quality_results (
  event_date DATE NOT NULL OPTIONS (description = 'day that was checked; the partition'),
  run_id STRING NOT NULL OPTIONS (description = 'run of the day'),
  check_name STRING NOT NULL OPTIONS (description = 'table and file of the check'),
  severity STRING NOT NULL OPTIONS (description = 'fail: stops export and training; warn: is shown'),
  passed BOOL NOT NULL OPTIONS (description = 'no row broke it'),
  broken_rows INT64 NOT NULL OPTIONS (description = 'rows that broke it'),
  broken JSON OPTIONS (description = 'the first of them, as an array of objects'),
  checked_at TIMESTAMP NOT NULL OPTIONS (description = 'when it was checked')
)
PARTITION BY event_date
CLUSTER BY check_name
OPTIONS (
  description = 'Results of the quality checks'
);

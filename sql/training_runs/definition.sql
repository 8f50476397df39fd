CREATE TABLE IF NOT EXISTS training_runs (
  training_date DATE NOT NULL OPTIONS (description = 'closed day up to which is trained; the partition'),
  attempt INT64 NOT NULL OPTIONS (description = 'from 1; 0 where nothing was started'),
  job_id STRING OPTIONS (description = 'name of the job; NULL where nothing was started'),
  state STRING NOT NULL OPTIONS (description = 'not_met, running, succeeded, failed or cancelled'),
  detail STRING OPTIONS (description = 'what is missing or went wrong, in words'),
  manifest STRING OPTIONS (description = 'where the list of the files lies that it is trained on'),
  pipeline_version STRING NOT NULL OPTIONS (description = 'SHA-256 of the compiled pipeline'),
  function_version STRING NOT NULL OPTIONS (description = 'release that started it'),
  lookback_days INT64 NOT NULL OPTIONS (description = 'days that were asked for'),
  days_present INT64 NOT NULL OPTIONS (description = 'days of them whose features were there'),
  recorded_at TIMESTAMP NOT NULL OPTIONS (description = 'when this was seen')
)
PARTITION BY training_date
CLUSTER BY attempt
OPTIONS (
  description = 'Training jobs: an entry for each state in which an attempt was seen'
);

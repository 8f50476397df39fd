CREATE TABLE IF NOT EXISTS cross_day_duplicates (
  run_date DATE NOT NULL OPTIONS (description = 'day whose run found the pair; one of the two dates'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  event_id STRING NOT NULL OPTIONS (description = 'id that stands under two dates'),
  event_date DATE NOT NULL OPTIONS (description = 'date of the row that is not counted'),
  kept_date DATE NOT NULL OPTIONS (description = 'date of a row of the same id that came before it')
)
PARTITION BY run_date
CLUSTER BY app_id, event_id
OPTIONS (
  description = 'Ids that stand under two dates within 30 days of each other; the run of each of the two lists the pair',
  partition_expiration_days = 365
);

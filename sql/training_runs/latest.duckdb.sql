-- Derived from latest.sql by scripts/derive-sql: change that one.
-- $1 since
/* How each attempt stands. */
SELECT
  *
FROM training_runs
WHERE
  training_date >= $1
QUALIFY
  ROW_NUMBER() OVER (PARTITION BY training_date, attempt ORDER BY recorded_at DESC) = 1
ORDER BY
  training_date NULLS FIRST,
  attempt NULLS FIRST;

-- Derived from steps.sql by scripts/derive-sql: change that one.
-- $1 most, $2 from_time, $3 to_time
/* The latest attempt of every step of every day's run, the latest day first. */
SELECT
  event_date,
  run_id,
  step,
  attempt,
  state,
  started_at,
  finished_at,
  error,
  event_date IN (
    SELECT
      event_date
    FROM stale_days
  ) AS stale
FROM pipeline_runs
WHERE
  event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
QUALIFY
  ROW_NUMBER() OVER (PARTITION BY event_date, step ORDER BY started_at DESC, attempt DESC) = 1
ORDER BY
  event_date DESC,
  started_at NULLS FIRST,
  step NULLS FIRST
LIMIT $1;

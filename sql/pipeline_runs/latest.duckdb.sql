-- Derived from latest.sql by scripts/derive-sql: change that one.
-- $1 from_date, $2 through_date
/* The attempts of the last run of each day. */
SELECT
  event_date,
  run_id,
  step,
  attempt,
  state,
  started_at,
  finished_at,
  error,
  snapshot_rows,
  snapshot_touches
FROM (
  SELECT
    *,
    MAX(started_at) OVER (PARTITION BY event_date, run_id) AS last_started_at
  FROM pipeline_runs
  WHERE
    event_date BETWEEN $1 AND $2
) AS runs
WHERE
  TRUE
QUALIFY
  RANK() OVER (PARTITION BY event_date ORDER BY last_started_at DESC, run_id DESC) = 1
ORDER BY
  event_date NULLS FIRST,
  started_at NULLS FIRST,
  step NULLS FIRST,
  attempt NULLS FIRST;

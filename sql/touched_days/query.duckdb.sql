-- Derived from query.sql by scripts/derive-sql: change that one.
-- $1 now, $2 from_date, $3 through_date
/* The closed days from one date through another that have changed since their run and are not known */
/* to be stale yet. */
WITH days AS (
  SELECT
    event_date,
    snapshot_rows,
    started_at
  FROM pipeline_runs
  WHERE
    event_date BETWEEN CAST($2 AS DATE) - 30 AND CAST($3 AS DATE) + 30
    AND step = 'day_rows'
    AND state = 'done'
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY event_date ORDER BY started_at DESC) = 1
), counts AS (
  SELECT
    event_date,
    COUNT(*) AS event_rows
  FROM events
  WHERE
    event_date BETWEEN $2 AND $3
  GROUP BY
    event_date
), pairs /* A pair that the later run of its two days saw otherwise than the run of the day that lost. */ AS (
  SELECT
    run_date,
    app_id,
    event_id,
    event_date,
    kept_date
  FROM cross_day_duplicates
  WHERE
    run_date BETWEEN CAST($2 AS DATE) - 30 AND CAST($3 AS DATE) + 30
    AND event_date BETWEEN $2 AND $3
), seen AS (
  SELECT
    event_date,
    kept_date,
    COUNT(*) FILTER(WHERE
      run_date = event_date) AS by_loser,
    COUNT(*) FILTER(WHERE
      run_date = kept_date) AS by_winner
  FROM pairs
  GROUP BY
    app_id,
    event_id,
    event_date,
    kept_date
), counted AS (
  SELECT
    event_date,
    app_id,
    event_id
  FROM purchases_counted
  WHERE
    event_date BETWEEN $2 AND $3
), counting AS (
  SELECT
    purchases_unique.event_date,
    app_id,
    event_id
  FROM purchases_unique
  INNER JOIN days
    ON days.event_date = purchases_unique.event_date
  WHERE
    purchases_unique.event_date BETWEEN $2 AND $3
), changes AS (
  SELECT
    days.event_date,
    'late_events' AS reason
  FROM days
  LEFT JOIN counts
    ON counts.event_date = days.event_date
  WHERE
    days.event_date BETWEEN $2 AND $3 AND COALESCE(event_rows, 0) <> snapshot_rows
  UNION ALL
  SELECT
    seen.event_date,
    'cross_day_duplicates'
  FROM seen
  INNER JOIN days AS loser
    ON loser.event_date = seen.event_date
  INNER JOIN days AS winner
    ON winner.event_date = seen.kept_date
  WHERE
    by_loser <> by_winner AND winner.started_at > loser.started_at
  UNION ALL
  SELECT
    event_date,
    'purchases'
  FROM (
    SELECT
      *
    FROM counted
    EXCEPT
    SELECT
      *
    FROM counting
  )
  UNION ALL
  SELECT
    event_date,
    'purchases'
  FROM (
    SELECT
      *
    FROM counting
    EXCEPT
    SELECT
      *
    FROM counted
  )
)
SELECT DISTINCT
  event_date,
  reason,
  CAST($1 AS TIMESTAMPTZ) AS touched_at
FROM changes
WHERE
  NOT event_date IN (
    SELECT
      event_date
    FROM stale_days
  );

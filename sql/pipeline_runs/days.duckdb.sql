-- Derived from days.sql by scripts/derive-sql: change that one.
-- $1 from_date, $2 through_date
/* The days that have events, or are stale: those that a run can be of. */
SELECT
  event_date,
  CAST(MAX(stale) AS BIGINT) = 1 AS stale
FROM (
  SELECT
    event_date,
    0 AS stale
  FROM events
  WHERE
    event_date BETWEEN $1 AND $2
  GROUP BY
    event_date
  UNION ALL
  SELECT
    event_date,
    1
  FROM stale_days
  WHERE
    event_date BETWEEN $1 AND $2
) AS days
GROUP BY
  event_date
ORDER BY
  event_date NULLS FIRST;

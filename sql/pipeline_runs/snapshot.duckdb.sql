-- Derived from snapshot.sql by scripts/derive-sql: change that one.
-- $1 date
/* What the step day_rows notes of the day, read in its transaction. */
SELECT
  (
    SELECT
      COUNT(*)
    FROM events
    WHERE
      event_date = $1
  ) AS snapshot_rows,
  (
    SELECT
      COUNT(*)
    FROM touched_days
    WHERE
      event_date = $1
  ) AS snapshot_touches;

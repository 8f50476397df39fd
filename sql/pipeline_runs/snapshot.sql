-- What the step day_rows notes of the day, read in its transaction.
SELECT
  (SELECT COUNT(*) FROM events WHERE event_date = @date) AS snapshot_rows,
  (SELECT COUNT(*) FROM touched_days WHERE event_date = @date) AS snapshot_touches;

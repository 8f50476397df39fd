-- Days that were touched after the rows of their last run were read. Entries are counted, not
-- compared by time: clocks differ.
CREATE OR REPLACE VIEW stale_days AS
WITH snapshots AS (
  SELECT event_date, snapshot_touches
  FROM pipeline_runs
  WHERE step = 'day_rows' AND state = 'done'
  QUALIFY ROW_NUMBER() OVER (PARTITION BY event_date ORDER BY started_at DESC) = 1
),
touches AS (
  SELECT event_date, COUNT(*) AS entries, MAX(touched_at) AS last_touched_at
  FROM touched_days
  GROUP BY event_date
)
SELECT snapshots.event_date, last_touched_at
FROM snapshots
INNER JOIN touches ON touches.event_date = snapshots.event_date
WHERE entries > snapshot_touches;

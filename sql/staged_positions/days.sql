-- The days that a replay changes: of the events that stood at its positions and of those put in their
-- place, and those on which they, and the letters, were received.
WITH days AS (
  SELECT event_date AS day FROM staged_positions WHERE run = @run_id AND found = 'event'
  UNION DISTINCT
  SELECT received_date FROM staged_positions WHERE run = @run_id AND found <> 'copy'
  UNION DISTINCT
  SELECT event_date FROM staged_events WHERE run = @run_id
  UNION DISTINCT
  SELECT DATE(received_at) FROM staged_events WHERE run = @run_id
  UNION DISTINCT
  SELECT DATE(received_at) FROM staged_events_dlq WHERE run = @run_id
)
SELECT day AS event_date, 'replay' AS reason, CAST(@now AS TIMESTAMP) AS touched_at
FROM days
ORDER BY event_date;

-- Checks that did not pass in the latest run of each day.
SELECT event_date, check_name, severity, broken_rows, broken, checked_at
FROM quality_results
WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
-- Not before: a run that mended everything is the latest too.
QUALIFY NOT passed
  AND run_id = FIRST_VALUE(run_id) OVER (PARTITION BY event_date ORDER BY checked_at DESC)
ORDER BY event_date DESC, severity, check_name
LIMIT @most;

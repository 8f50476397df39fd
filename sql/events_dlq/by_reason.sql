-- Dead letters by reason: how many came, and how many still wait to be brought back.
WITH waits AS (
  SELECT reason, COUNT(*) AS waiting, COUNTIF(held) AS held
  FROM letters
  WHERE failed_at >= @from_time
    AND failed_at < @to_time
    AND (@app_id IS NULL OR app_id = @app_id)
  GROUP BY reason
),
letters_written AS (
  SELECT reason, COUNT(*) AS written, MIN(failed_at) AS first_at, MAX(failed_at) AS last_at
  FROM events_dlq
  WHERE failed_at >= @from_time
    AND failed_at < @to_time
    AND (@app_id IS NULL OR app_id = @app_id)
  GROUP BY reason
)
SELECT
  letters_written.reason,
  written,
  COALESCE(waiting, 0) AS waiting,
  COALESCE(held, 0) AS held,
  first_at,
  last_at
FROM letters_written
LEFT JOIN waits ON waits.reason = letters_written.reason
ORDER BY written DESC, reason;

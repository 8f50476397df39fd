-- warn
-- Less than half or more than twice the events of a usual day: the median (nearest rank) of the
-- 1 to 6 closed days that had events. From 7 on, event_count says so, and fails.
WITH days AS (
  SELECT DATE(window_start) AS event_date, CAST(SUM(events) AS INT64) AS events
  FROM events_1min_closed
  WHERE window_start >= TIMESTAMP(CAST(@date AS DATE) - 30)
    AND window_start < TIMESTAMP(CAST(@date AS DATE) + 1)
  GROUP BY DATE(window_start)
),
before AS (
  SELECT events
  FROM days
  WHERE event_date < @date
  QUALIFY ROW_NUMBER() OVER (ORDER BY event_date DESC) <= 7
),
ranked AS (
  SELECT
    events AS usual,
    ROW_NUMBER() OVER (ORDER BY events) AS place,
    COUNT(*) OVER () AS closed_days
  FROM before
),
checked AS (
  SELECT CAST(COALESCE(SUM(events), 0) AS INT64) AS events
  FROM days
  WHERE event_date = @date
)
SELECT events, usual, closed_days
FROM checked
CROSS JOIN ranked
WHERE place * 2 BETWEEN closed_days AND closed_days + 1
  AND closed_days < 7
  AND (events * 2 < usual OR events > usual * 2);

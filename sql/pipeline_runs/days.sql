-- The days that have events, or are stale: those that a run can be of.
SELECT event_date, CAST(MAX(stale) AS INT64) = 1 AS stale
FROM (
  SELECT event_date, 0 AS stale
  FROM events
  WHERE event_date BETWEEN @from_date AND @through_date
  GROUP BY event_date
  UNION ALL
  SELECT event_date, 1
  FROM stale_days
  WHERE event_date BETWEEN @from_date AND @through_date
) AS days
GROUP BY event_date
ORDER BY event_date;

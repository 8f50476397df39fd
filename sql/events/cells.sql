-- Platforms and countries that events came from, the busiest first.
SELECT
  COALESCE(platform, 'unknown') AS platform,
  COALESCE(country, 'unknown') AS country,
  COUNT(*) AS events
FROM events
WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
  AND (@app_id IS NULL OR app_id = @app_id)
GROUP BY COALESCE(platform, 'unknown'), COALESCE(country, 'unknown')
ORDER BY events DESC, 1, 2
LIMIT @most;

-- Derived from cells.sql by scripts/derive-sql: change that one.
-- $1 most, $2 from_time, $3 to_time, $4 app_id
/* Platforms and countries that events came from, the busiest first. */
SELECT
  COALESCE(platform, 'unknown') AS platform,
  COALESCE(country, 'unknown') AS country,
  COUNT(*) AS events
FROM events
WHERE
  event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
  AND (
    $4 IS NULL OR app_id = $4
  )
GROUP BY
  COALESCE(platform, 'unknown'),
  COALESCE(country, 'unknown')
ORDER BY
  events DESC,
  1 NULLS FIRST,
  2 NULLS FIRST
LIMIT $1;

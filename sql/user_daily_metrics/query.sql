-- The parameter playtime_types: the codes of the registry marked playtime, commas between them.
WITH playtime_types AS (
  SELECT SAFE_CAST(code AS INT64) AS event_type
  FROM UNNEST(SPLIT(@playtime_types, ',')) AS code
),
players AS (
  SELECT
    event_date,
    app_id,
    user_id,
    COUNT(DISTINCT session_id) AS sessions,
    COUNT(*) AS events,
    COUNT(DISTINCT IF(event_type IN (1001, 1002, 1003), level_id, NULL)) AS levels_played,
    COUNTIF(event_type = 1002) AS levels_completed
  FROM day_rows
  WHERE event_date = @date
  GROUP BY event_date, app_id, user_id
),
playtime AS (
  SELECT
    app_id,
    user_id,
    -- Whole microseconds: a sum of fractions would change with the order of its parts.
    SUM(CAST(ROUND(duration_sec * 1000000) AS INT64)) AS microseconds
  FROM day_rows
  WHERE event_date = @date
    AND duration_sec IS NOT NULL
    AND event_type IN (SELECT event_type FROM playtime_types)
  GROUP BY app_id, user_id
),
revenue AS (
  SELECT app_id, user_id, SUM(price_usd) AS revenue_usd
  FROM purchases_counted
  WHERE event_date = @date
  GROUP BY app_id, user_id
)
SELECT
  players.event_date,
  players.app_id,
  players.user_id,
  sessions,
  events,
  levels_played,
  levels_completed,
  COALESCE(microseconds, 0) / 60000000 AS playtime_minutes,
  COALESCE(revenue_usd, 0) AS revenue_usd
FROM players
LEFT JOIN playtime
  ON playtime.app_id = players.app_id
  AND playtime.user_id = players.user_id
LEFT JOIN revenue
  ON revenue.app_id = players.app_id
  AND revenue.user_id = players.user_id;

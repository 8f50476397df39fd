-- Players by day: active, new, sessions, and how many of those first seen on the day came back a day
-- and a week later; nobody knows before anything has come of that later day, in the range or closed.
-- Days that are not closed yet are counted from the rows as received.
WITH played AS (
  SELECT event_date, app_id, user_id, sessions, events, 0 AS provisional
  FROM user_daily_metrics
  WHERE @app_id IS NULL OR app_id = @app_id
  UNION ALL
  SELECT event_date, app_id, user_id, COUNT(DISTINCT session_id), COUNT(*), 1
  FROM events
  WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
    AND event_date NOT IN (SELECT event_date FROM user_daily_metrics)
    AND (@app_id IS NULL OR app_id = @app_id)
  GROUP BY event_date, app_id, user_id
),
-- Of any app: one that nobody plays any more has lost its players.
reached AS (
  SELECT LEAST(MAX(event_date), DATE(@to_time)) AS last_day
  FROM (
    SELECT event_date
    FROM user_daily_metrics
    UNION ALL
    SELECT event_date
    FROM events
    WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
  )
),
-- What became of a player after the range is known too, where that day is closed.
closed AS (
  SELECT DISTINCT event_date
  FROM user_daily_metrics
),
firsts AS (
  SELECT app_id, user_id, MIN(event_date) AS install_date
  FROM played
  GROUP BY app_id, user_id
),
returns AS (
  SELECT
    install_date,
    COUNTIF(event_date = install_date) AS new_players,
    COUNTIF(DATE_DIFF(event_date, install_date, DAY) = 1) AS after_a_day,
    COUNTIF(DATE_DIFF(event_date, install_date, DAY) = 7) AS after_a_week
  FROM played
  INNER JOIN firsts ON firsts.app_id = played.app_id AND firsts.user_id = played.user_id
  GROUP BY install_date
),
days AS (
  SELECT
    event_date,
    COUNT(*) AS players,
    CAST(SUM(sessions) AS INT64) AS sessions,
    CAST(SUM(events) AS INT64) AS events,
    MAX(provisional) = 1 AS provisional
  FROM played
  WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
  GROUP BY event_date
)
SELECT
  days.event_date,
  players,
  COALESCE(new_players, 0) AS new_players,
  sessions,
  events,
  IF(next_day.event_date IS NOT NULL OR DATE_DIFF(last_day, days.event_date, DAY) >= 1,
    ROUND(after_a_day / NULLIF(new_players, 0), 6), NULL) AS d1_retention,
  IF(next_week.event_date IS NOT NULL OR DATE_DIFF(last_day, days.event_date, DAY) >= 7,
    ROUND(after_a_week / NULLIF(new_players, 0), 6), NULL) AS d7_retention,
  provisional
FROM days
CROSS JOIN reached
LEFT JOIN returns ON returns.install_date = days.event_date
LEFT JOIN closed AS next_day
  ON next_day.event_date = DATE_ADD(days.event_date, INTERVAL 1 DAY)
LEFT JOIN closed AS next_week
  ON next_week.event_date = DATE_ADD(days.event_date, INTERVAL 7 DAY)
ORDER BY event_date;

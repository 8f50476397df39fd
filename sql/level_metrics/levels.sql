-- How levels were played over some days, the most played first: level ids that somebody made up do not
-- push those of the game out. Days that are not closed yet are counted from the rows as received, and are
-- provisional.
WITH players AS (
  SELECT
    event_date,
    app_id,
    level_id,
    user_id,
    COUNTIF(event_type = 1001) AS starts,
    COUNTIF(event_type = 1002) AS completions,
    COUNTIF(event_type <> 1001) AS outcomes,
    SUM(IF(event_type = 1002, moves_used, NULL)) AS moves,
    COUNTIF(event_type = 1002 AND moves_used IS NOT NULL) AS moves_counted
  FROM events
  WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
    AND event_date NOT IN (SELECT event_date FROM level_metrics)
    AND event_type IN (1001, 1002, 1003)
    AND level_id IS NOT NULL
    AND (@app_id IS NULL OR app_id = @app_id)
  GROUP BY event_date, app_id, level_id, user_id
),
started AS (
  SELECT event_date, app_id, level_id, SUM(events) AS starts
  FROM events_1min_parts
  WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
    AND window_start >= CAST(DATE(@from_time) AS TIMESTAMP)
    AND window_start < CAST(DATE_ADD(DATE(@to_time), INTERVAL 1 DAY) AS TIMESTAMP)
    AND event_type = 1001
    AND level_id IS NOT NULL
  GROUP BY event_date, app_id, level_id
),
-- How many completions had moves, a closed day does not tell: it weighs in the mean by all of them. Where
-- its check has passed, fewer than 1 % of an app's had none.
days AS (
  SELECT
    level_metrics.level_id,
    attempts,
    completions,
    COALESCE(starts, 0) AS starts,
    retry_rate * starts AS retries,
    avg_moves * completions AS moves,
    IF(avg_moves IS NULL, 0, completions) AS moves_counted,
    unique_players,
    0 AS provisional
  FROM level_metrics
  LEFT JOIN started
    ON started.event_date = level_metrics.event_date
    AND started.app_id = level_metrics.app_id
    AND started.level_id = level_metrics.level_id
  WHERE level_metrics.event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
    AND (@app_id IS NULL OR level_metrics.app_id = @app_id)
  UNION ALL
  SELECT
    level_id,
    SUM(GREATEST(starts, outcomes)),
    SUM(completions),
    SUM(starts),
    SUM(starts) - COUNTIF(starts > 0),
    SUM(moves),
    SUM(moves_counted),
    COUNT(*),
    1
  FROM players
  GROUP BY event_date, app_id, level_id
)
SELECT
  level_id,
  CAST(SUM(starts) AS INT64) AS starts,
  CAST(SUM(attempts) AS INT64) AS attempts,
  CAST(SUM(completions) AS INT64) AS completions,
  ROUND(SUM(completions) / SUM(attempts), 6) AS pass_rate,
  ROUND(SUM(retries) / NULLIF(SUM(starts), 0), 6) AS retry_rate,
  ROUND(SUM(moves) / NULLIF(SUM(moves_counted), 0), 6) AS avg_moves,
  CAST(SUM(unique_players) AS INT64) AS player_days,
  MAX(provisional) = 1 AS provisional
FROM days
GROUP BY level_id
ORDER BY attempts DESC, level_id
LIMIT @most;

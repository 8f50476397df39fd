-- Derived from query.sql by scripts/derive-sql: change that one.
-- $1 date
/* From the day on, not of the day alone: a player first seen a day earlier than was thought moves to */
/* another cohort on every day since. Runs after user_daily_metrics of the same day. */
SELECT
  played.event_date,
  played.app_id,
  install_date,
  DATE_DIFF('DAY', install_date, played.event_date) AS age_days,
  COUNT(*) AS players
FROM user_daily_metrics AS played
INNER JOIN players_first_seen
  ON players_first_seen.app_id = played.app_id
  AND players_first_seen.user_id = played.user_id
WHERE
  played.event_date >= $1
GROUP BY
  played.event_date,
  played.app_id,
  install_date;

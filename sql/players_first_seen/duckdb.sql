-- Derived from definition.sql by scripts/derive-sql: change that one.
/* The install day of a player, as far as events tell: the first day seen. A day that is rebuilt with */
/* late events may move it, so nothing is kept. */
CREATE OR REPLACE VIEW players_first_seen AS
SELECT
  app_id,
  user_id,
  MIN(event_date) AS install_date
FROM user_daily_metrics
GROUP BY
  app_id,
  user_id;

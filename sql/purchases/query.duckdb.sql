-- Derived from query.sql by scripts/derive-sql: change that one.
-- $1 date
SELECT
  event_date,
  app_id,
  event_id,
  user_id,
  NULLIF(transaction_id, '') AS transaction_id,
  received_at,
  platform,
  country,
  COALESCE(price_usd, 0) AS price_usd
FROM day_rows
WHERE
  event_date = $1 AND event_type = 2001;

-- The purchases that count: of those with one (app_id, transaction_id) within 30 days, the one with
-- the lowest (received_at, event_id). Purchases without a transaction all count.
CREATE OR REPLACE VIEW purchases_unique AS
WITH firsts AS (
  SELECT *
  FROM purchases
  WHERE transaction_id IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY app_id, transaction_id, event_date
    ORDER BY received_at, event_id
  ) = 1
)
SELECT
  event_date, app_id, event_id, user_id, transaction_id, received_at, platform, country, price_usd
FROM firsts
WHERE NOT EXISTS (
  SELECT 1
  FROM firsts AS earlier
  WHERE earlier.app_id = firsts.app_id
    AND earlier.transaction_id = firsts.transaction_id
    AND ABS(DATE_DIFF(earlier.event_date, firsts.event_date, DAY)) <= 30
    AND (
      earlier.received_at < firsts.received_at
      OR (earlier.received_at = firsts.received_at AND earlier.event_id < firsts.event_id)
    )
)
UNION ALL
SELECT
  event_date, app_id, event_id, user_id, transaction_id, received_at, platform, country, price_usd
FROM purchases
WHERE transaction_id IS NULL;

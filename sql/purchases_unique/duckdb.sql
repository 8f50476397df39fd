-- Derived from definition.sql by scripts/derive-sql: change that one.
/* The purchases that count: of those with one (app_id, transaction_id) within 30 days, the one with */
/* the lowest (received_at, event_id). Purchases without a transaction all count. */
CREATE OR REPLACE VIEW purchases_unique AS
WITH firsts AS (
  SELECT
    *
  FROM purchases
  WHERE
    NOT transaction_id IS NULL
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY app_id, transaction_id, event_date
      ORDER BY received_at NULLS FIRST, event_id NULLS FIRST
    ) = 1
)
SELECT
  event_date,
  app_id,
  event_id,
  user_id,
  transaction_id,
  received_at,
  platform,
  country,
  price_usd
FROM firsts
WHERE
  NOT EXISTS(
    SELECT
      1
    FROM firsts AS earlier
    WHERE
      earlier.app_id = firsts.app_id
      AND earlier.transaction_id = firsts.transaction_id
      AND ABS(DATE_DIFF('DAY', firsts.event_date, earlier.event_date)) <= 30
      AND (
        earlier.received_at < firsts.received_at
        OR (
          earlier.received_at = firsts.received_at AND earlier.event_id < firsts.event_id
        )
      )
  )
UNION ALL
SELECT
  event_date,
  app_id,
  event_id,
  user_id,
  transaction_id,
  received_at,
  platform,
  country,
  price_usd
FROM purchases
WHERE
  transaction_id IS NULL;

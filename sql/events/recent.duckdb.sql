-- Derived from recent.sql by scripts/derive-sql: change that one.
-- $1 most, $2 from_time, $3 late_days, $4 to_time, $5 app_id, $6 user_id, $7 event_type, $8 app_version, $9 verdict, $10 user_base64
/* Events as they come, each with its verdict, the latest first. A dead letter has no columns but its */
/* bytes: it is found by its player and its verdict, not by its type or release. An event may be a year */
/* late; where every day that is read is paid for, only those are found that are late_days late or less. */
SELECT
  *
FROM (
  (
    SELECT
      received_at,
      'accepted' AS verdict,
      app_id,
      event_id,
      user_id,
      event_type,
      event_name,
      timestamp,
      session_id,
      level_id,
      moves_used,
      time_seconds,
      duration_sec,
      CAST(price_usd AS DOUBLE) AS price_usd,
      transaction_id,
      platform,
      app_version,
      country,
      device_category,
      device_tier,
      is_paying_user,
      days_since_install,
      CASE WHEN parameters IS NULL THEN NULL ELSE CAST(TO_JSON(parameters) AS TEXT) END AS parameters,
      CASE WHEN extras IS NULL THEN NULL ELSE CAST(TO_JSON(extras) AS TEXT) END AS extras,
      CAST(NULL AS TEXT) AS detail,
      CAST(NULL AS TEXT) AS key_base64,
      CAST(NULL AS TEXT) AS raw_base64,
      source_log,
      source_partition,
      source_offset
    FROM events
    WHERE
      event_date >= (
        CAST($2 AS DATE) - INTERVAL (COALESCE($3, 365)) DAY
      )
      AND event_date <= (
        CAST($4 AS DATE) + INTERVAL '1' DAY
      )
      AND received_at >= $2
      AND received_at < $4
      AND (
        $5 IS NULL OR app_id = $5
      )
      AND (
        $6 IS NULL OR user_id = $6
      )
      AND (
        $7 IS NULL OR event_type = $7
      )
      AND (
        $8 IS NULL OR app_version = $8
      )
      AND (
        $9 IS NULL OR $9 = 'accepted'
      )
    ORDER BY
      received_at DESC,
      source_partition DESC,
      source_offset DESC
    LIMIT $1
  )
  UNION ALL
  (
    SELECT
      received_at,
      reason,
      app_id,
      CAST(NULL AS TEXT),
      CAST(NULL AS TEXT),
      CAST(NULL AS BIGINT),
      CAST(NULL AS TEXT),
      CAST(NULL AS TIMESTAMPTZ),
      CAST(NULL AS TEXT),
      CAST(NULL AS TEXT),
      CAST(NULL AS BIGINT),
      CAST(NULL AS DOUBLE),
      CAST(NULL AS DOUBLE),
      CAST(NULL AS DOUBLE),
      CAST(NULL AS TEXT),
      CAST(NULL AS TEXT),
      CAST(NULL AS TEXT),
      CAST(NULL AS TEXT),
      CAST(NULL AS TEXT),
      CAST(NULL AS TEXT),
      CAST(NULL AS BOOLEAN),
      CAST(NULL AS BIGINT),
      CAST(NULL AS TEXT),
      CAST(NULL AS TEXT),
      detail,
      TO_BASE64(record_key),
      TO_BASE64(raw),
      source_log,
      source_partition,
      source_offset
    FROM events_dlq
    WHERE
      failed_at >= (
        CAST($2 AS TIMESTAMPTZ) - INTERVAL '1' HOUR
      )
      AND received_at >= $2
      AND received_at < $4
      AND (
        $5 IS NULL OR app_id = $5
      )
      AND (
        $10 IS NULL OR TO_BASE64(record_key) = $10
      )
      AND $7 IS NULL
      AND $8 IS NULL
      AND (
        $9 IS NULL OR $9 = reason OR $9 = 'dead_lettered'
      )
    ORDER BY
      received_at DESC,
      source_partition DESC,
      source_offset DESC
    LIMIT $1
  )
)
ORDER BY
  received_at DESC,
  source_partition DESC,
  source_offset DESC
LIMIT $1;

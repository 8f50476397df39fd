-- Events as they come, each with its verdict, the latest first. A dead letter has no columns but its
-- bytes: it is found by its player and its verdict, not by its type or release. An event may be a year
-- late; where every day that is read is paid for, only those are found that are late_days late or less.
SELECT *
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
      CAST(price_usd AS FLOAT64) AS price_usd,
      transaction_id,
      platform,
      app_version,
      country,
      device_category,
      device_tier,
      is_paying_user,
      days_since_install,
      IF(parameters IS NULL, NULL, TO_JSON_STRING(parameters)) AS parameters,
      IF(extras IS NULL, NULL, TO_JSON_STRING(extras)) AS extras,
      CAST(NULL AS STRING) AS detail,
      CAST(NULL AS STRING) AS key_base64,
      CAST(NULL AS STRING) AS raw_base64,
      source_log,
      source_partition,
      source_offset
    FROM events
    WHERE event_date >= DATE_SUB(DATE(@from_time), INTERVAL COALESCE(@late_days, 365) DAY)
      AND event_date <= DATE_ADD(DATE(@to_time), INTERVAL 1 DAY)
      AND received_at >= @from_time
      AND received_at < @to_time
      AND (@app_id IS NULL OR app_id = @app_id)
      AND (@user_id IS NULL OR user_id = @user_id)
      AND (@event_type IS NULL OR event_type = @event_type)
      AND (@app_version IS NULL OR app_version = @app_version)
      AND (@verdict IS NULL OR @verdict = 'accepted')
    ORDER BY received_at DESC, source_partition DESC, source_offset DESC
    LIMIT @most
  )
  UNION ALL
  (
    SELECT
      received_at, reason, app_id, CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS INT64),
      CAST(NULL AS STRING), CAST(NULL AS TIMESTAMP), CAST(NULL AS STRING), CAST(NULL AS STRING),
      CAST(NULL AS INT64), CAST(NULL AS FLOAT64), CAST(NULL AS FLOAT64), CAST(NULL AS FLOAT64),
      CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS STRING),
      CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS BOOL), CAST(NULL AS INT64),
      CAST(NULL AS STRING), CAST(NULL AS STRING), detail, TO_BASE64(record_key), TO_BASE64(raw),
      source_log, source_partition, source_offset
    FROM events_dlq
    WHERE failed_at >= TIMESTAMP_SUB(CAST(@from_time AS TIMESTAMP), INTERVAL 1 HOUR)
      AND received_at >= @from_time
      AND received_at < @to_time
      AND (@app_id IS NULL OR app_id = @app_id)
      AND (@user_base64 IS NULL OR TO_BASE64(record_key) = @user_base64)
      AND @event_type IS NULL
      AND @app_version IS NULL
      AND (@verdict IS NULL OR @verdict = reason OR @verdict = 'dead_lettered')
    ORDER BY received_at DESC, source_partition DESC, source_offset DESC
    LIMIT @most
  )
)
ORDER BY received_at DESC, source_partition DESC, source_offset DESC
LIMIT @most;

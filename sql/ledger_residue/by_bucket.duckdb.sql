-- Derived from by_bucket.sql by scripts/derive-sql: change that one.
-- $1 bucket_seconds, $2 from_time, $3 to_time, $4 app_id
/* Every hop's minutes by what is known of them, in buckets of some seconds; what is missing in those */
/* that are closed. As the view has it, but source positions are only told apart in minutes whose rows */
/* are not as many as they are to be: that costs seconds where there are millions of them. */
WITH minutes AS (
  SELECT
    *
  FROM ledger_minutes
  WHERE
    minute >= $2 AND minute < $3 AND (
      $4 IS NULL OR app_id = $4
    )
), kept AS (
  SELECT
    MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000) AS minute,
    COUNT(*) AS records
  FROM events
  /* An accepted event is a year old at most, and an hour ahead. */
  WHERE
    event_date >= (
      CAST($2 AS DATE) - INTERVAL '366' DAY
    )
    AND event_date <= (
      CAST($3 AS DATE) + INTERVAL '1' DAY
    )
    AND received_at >= $2
    AND received_at < (
      CAST($3 AS TIMESTAMPTZ) + INTERVAL '1' MINUTE
    )
    AND MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000) < $3
    AND MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000) >= $2
    AND (
      $4 IS NULL OR app_id = $4
    )
  GROUP BY
    MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000)
  UNION ALL
  SELECT
    MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000) AS minute,
    COUNT(*) AS records
  FROM events_dlq
  WHERE
    failed_at >= (
      CAST($2 AS TIMESTAMPTZ) - INTERVAL '1' HOUR
    )
    AND received_at >= $2
    AND received_at < (
      CAST($3 AS TIMESTAMPTZ) + INTERVAL '1' MINUTE
    )
    AND MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000) < $3
    AND MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000) >= $2
    AND (
      $4 IS NULL OR app_id = $4
    )
  GROUP BY
    MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000)
), differing AS (
  SELECT
    minute
  FROM (
    SELECT
      minute,
      accepted + dead_lettered AS records
    FROM minutes
    UNION ALL
    SELECT
      minute,
      -records
    FROM kept
  )
  GROUP BY
    minute
  HAVING
    SUM(records) <> 0
), positions AS (
  SELECT DISTINCT
    source_log,
    minute,
    source_partition,
    source_offset
  FROM events
  INNER JOIN differing
    ON differing.minute = MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000)
  WHERE
    event_date >= (
      CAST($2 AS DATE) - INTERVAL '366' DAY
    )
    AND event_date <= (
      CAST($3 AS DATE) + INTERVAL '1' DAY
    )
    AND received_at >= $2
    AND received_at < (
      CAST($3 AS TIMESTAMPTZ) + INTERVAL '1' MINUTE
    )
    AND (
      $4 IS NULL OR app_id = $4
    )
  UNION
  SELECT DISTINCT
    source_log,
    minute,
    source_partition,
    source_offset
  FROM events_dlq
  INNER JOIN differing
    ON differing.minute = MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000)
  WHERE
    failed_at >= (
      CAST($2 AS TIMESTAMPTZ) - INTERVAL '1' HOUR
    )
    AND received_at >= $2
    AND received_at < (
      CAST($3 AS TIMESTAMPTZ) + INTERVAL '1' MINUTE
    )
    AND (
      $4 IS NULL OR app_id = $4
    )
), hops AS (
  SELECT
    'ingest' AS hop,
    minute,
    state,
    received - stored - rejected - deferred AS residue
  FROM minutes
  UNION ALL
  SELECT
    'log',
    minute,
    state,
    COALESCE(lost, 0)
  FROM minutes
  UNION ALL
  SELECT
    'process',
    minute,
    state,
    read - accepted - duplicate - dead_lettered
  FROM minutes
  UNION ALL
  SELECT
    'warehouse',
    minute,
    state,
    CASE
      WHEN minute IN (
        SELECT
          minute
        FROM differing
      )
      THEN accepted + dead_lettered
      ELSE 0
    END
  FROM minutes
  UNION ALL
  SELECT
    'warehouse',
    minute,
    NULL,
    -COUNT(*)
  FROM positions
  GROUP BY
    minute
), judged AS (
  SELECT
    hop,
    minute,
    CASE
      WHEN COUNT(*) FILTER(WHERE
        state = 'open') > 0
      THEN 'open'
      WHEN COUNT(*) FILTER(WHERE
        state = 'unproved') > 0
      THEN 'unproved'
      ELSE 'proved'
    END AS state,
    SUM(residue) AS residue
  FROM hops
  GROUP BY
    hop,
    minute
)
SELECT
  TO_TIMESTAMP(CAST(EPOCH(minute) AS BIGINT) // $1 * $1) AS bucket,
  hop,
  COUNT(*) FILTER(WHERE
    state = 'open') AS open,
  COUNT(*) FILTER(WHERE
    state = 'unproved') AS unproved,
  COUNT(*) FILTER(WHERE
    state = 'proved') AS proved,
  CAST(SUM(CASE WHEN state = 'open' THEN 0 ELSE residue END) AS BIGINT) AS residue,
  MIN(CASE WHEN state <> 'open' AND residue <> 0 THEN minute ELSE NULL END) AS first_missing
FROM judged
GROUP BY
  bucket,
  hop
ORDER BY
  bucket NULLS FIRST,
  hop NULLS FIRST;

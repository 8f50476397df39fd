-- Derived from by_bucket.sql by scripts/derive-sql: change that one.
-- $1 bucket_seconds, $2 from_time, $3 to_time, $4 app_id
/* Every hop's minutes by what is known of them, in buckets of some seconds; what is missing in those */
/* that are closed: where nothing is, what is too many, below 0. What one app or minute misses is not */
/* made good by what another has too many. As the view has it, but source positions are only told apart */
/* in an app's minutes whose rows are not as many as they are to be: that costs seconds where there are */
/* millions of them. */
WITH minutes AS (
  /* Records of no app are held against each other too. */
  SELECT
    *,
    COALESCE(app_id, '') AS app
  FROM ledger_minutes
  WHERE
    minute >= $2 AND minute < $3 AND (
      $4 IS NULL OR app_id = $4
    )
), kept AS (
  /* Numbers of minutes: millions of rows are grouped by a number in a third of the time. */
  SELECT
    app_id,
    EPOCH_US(received_at) // 60000000 AS number,
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
    AND (
      $4 IS NULL OR app_id = $4
    )
  GROUP BY
    app_id,
    number
  UNION ALL
  SELECT
    app_id,
    EPOCH_US(received_at) // 60000000 AS number,
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
    AND (
      $4 IS NULL OR app_id = $4
    )
  GROUP BY
    app_id,
    number
), differing AS (
  SELECT
    app,
    minute
  FROM (
    SELECT
      app,
      minute,
      accepted + dead_lettered AS records
    FROM minutes
    UNION ALL
    SELECT
      COALESCE(app_id, ''),
      TO_TIMESTAMP(number * 60),
      -records
    FROM kept
  )
  WHERE
    minute >= $2 AND minute < $3
  GROUP BY
    app,
    minute
  HAVING
    SUM(records) <> 0
), positions AS (
  SELECT DISTINCT
    source_log,
    app,
    minute,
    source_partition,
    source_offset
  FROM events
  INNER JOIN differing
    ON differing.minute = MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000)
    AND differing.app = COALESCE(app_id, '')
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
    app,
    minute,
    source_partition,
    source_offset
  FROM events_dlq
  INNER JOIN differing
    ON differing.minute = MAKE_TIMESTAMPTZ(EPOCH_US(received_at) // 60000000 * 60000000)
    AND differing.app = COALESCE(app_id, '')
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
    app,
    minute,
    state,
    received - stored - rejected - deferred AS residue
  FROM minutes
  UNION ALL
  SELECT
    'log',
    app,
    minute,
    state,
    COALESCE(lost, 0)
  FROM minutes
  UNION ALL
  SELECT
    'process',
    app,
    minute,
    state,
    read - accepted - duplicate - dead_lettered
  FROM minutes
  UNION ALL
  SELECT
    'warehouse',
    minutes.app,
    minutes.minute,
    state,
    CASE WHEN differing.minute IS NULL THEN 0 ELSE accepted + dead_lettered END
  FROM minutes
  LEFT JOIN differing
    ON differing.app = minutes.app AND differing.minute = minutes.minute
  UNION ALL
  SELECT
    'warehouse',
    app,
    minute,
    NULL,
    -COUNT(*)
  FROM positions
  GROUP BY
    app,
    minute
), apps AS (
  SELECT
    hop,
    minute,
    COUNT(*) FILTER(WHERE
      state = 'open') > 0 AS open,
    COUNT(*) FILTER(WHERE
      state = 'unproved') > 0 AS unproved,
    CASE WHEN COUNT(*) FILTER(WHERE
      state = 'open') > 0 THEN 0 ELSE SUM(residue) END AS residue
  FROM hops
  GROUP BY
    hop,
    app,
    minute
), judged AS (
  SELECT
    hop,
    minute,
    BOOL_OR(CAST(open AS BOOLEAN)) AS open,
    BOOL_OR(CAST(unproved AS BOOLEAN)) AS unproved,
    SUM(CASE WHEN residue IS NULL OR 0 IS NULL THEN NULL ELSE GREATEST(residue, 0) END) AS missing,
    SUM(CASE WHEN residue IS NULL OR 0 IS NULL THEN NULL ELSE LEAST(residue, 0) END) AS surplus
  FROM apps
  GROUP BY
    hop,
    minute
)
SELECT
  TO_TIMESTAMP(CAST(EPOCH(minute) AS BIGINT) // $1 * $1) AS bucket,
  hop,
  COUNT(*) FILTER(WHERE
    open) AS open,
  COUNT(*) FILTER(WHERE
    unproved AND NOT open) AS unproved,
  COUNT(*) FILTER(WHERE
    NOT unproved AND NOT open) AS proved,
  CAST(CASE WHEN SUM(missing) > 0 THEN SUM(missing) ELSE SUM(surplus) END AS BIGINT) AS residue,
  MIN(CASE WHEN missing > 0 OR surplus < 0 THEN minute ELSE NULL END) AS first_missing
FROM judged
GROUP BY
  bucket,
  hop
ORDER BY
  bucket NULLS FIRST,
  hop NULLS FIRST;

# What people ask of the metrics, in LookML. Views have the columns of their tables, held by a test.

connection: "questline"
label: "Questline"

datagroup: daily_run {
  sql_trigger: SELECT MAX(checked_at) FROM questline.quality_results ;;
  max_cache_age: "24 hours"
}

persist_with: daily_run

explore: level_metrics {}
explore: user_daily_metrics {}
explore: revenue_daily_metrics {}
explore: retention_daily {}
explore: quality_results {}

view: level_metrics {
  sql_table_name: questline.level_metrics ;;

  dimension_group: event {
    type: time
    timeframes: [date, week, month]
    datatype: date
    convert_tz: no
    description: "UTC date of the events; the partition"
    sql: ${TABLE}.event_date ;;
  }

  dimension: app_id {
    type: string
    description: "app of the write key"
    sql: ${TABLE}.app_id ;;
  }

  dimension: level_id {
    type: string
    description: "level as sent"
    sql: ${TABLE}.level_id ;;
  }

  dimension: attempts {
    type: number
    description: "sum over players of the greater of starts and outcomes: an outcome whose start is missing was still an attempt"
    sql: ${TABLE}.attempts ;;
  }

  dimension: completions {
    type: number
    description: "level_complete events"
    sql: ${TABLE}.completions ;;
  }

  dimension: pass_rate {
    type: number
    description: "completions / attempts"
    sql: ${TABLE}.pass_rate ;;
  }

  dimension: avg_moves {
    type: number
    description: "mean of moves_used over completions that have it, to 6 decimals"
    sql: ${TABLE}.avg_moves ;;
  }

  dimension: p50_moves {
    type: number
    description: "median of the same, nearest rank"
    sql: ${TABLE}.p50_moves ;;
  }

  dimension: p95_moves {
    type: number
    description: "95th percentile of the same, nearest rank"
    sql: ${TABLE}.p95_moves ;;
  }

  dimension: avg_time_seconds {
    type: number
    description: "mean of time_seconds over completions that have it, to 6 decimals"
    sql: ${TABLE}.avg_time_seconds ;;
  }

  dimension: unique_players {
    type: number
    description: "players with a start or an outcome"
    sql: ${TABLE}.unique_players ;;
  }

  dimension: booster_usage_rate {
    type: number
    description: "outcomes with a booster / attempts"
    sql: ${TABLE}.booster_usage_rate ;;
  }

  dimension: retry_rate {
    type: number
    description: "(starts - players with a start) / starts; NULL without starts"
    sql: ${TABLE}.retry_rate ;;
  }

  measure: sum_attempts {
    type: sum
    description: "Attempts"
    sql: ${attempts} ;;
  }

  measure: sum_completions {
    type: sum
    description: "Completions"
    sql: ${completions} ;;
  }

  measure: overall_pass_rate {
    type: number
    description: "Completions by attempts"
    sql: ${sum_completions} / NULLIF(${sum_attempts}, 0) ;;
  }
}

view: user_daily_metrics {
  sql_table_name: questline.user_daily_metrics ;;

  dimension_group: event {
    type: time
    timeframes: [date, week, month]
    datatype: date
    convert_tz: no
    description: "UTC date of the events; the partition"
    sql: ${TABLE}.event_date ;;
  }

  dimension: app_id {
    type: string
    description: "app of the write key"
    sql: ${TABLE}.app_id ;;
  }

  dimension: user_id {
    type: string
    description: "player as sent"
    sql: ${TABLE}.user_id ;;
  }

  dimension: sessions {
    type: number
    description: "distinct session_id"
    sql: ${TABLE}.sessions ;;
  }

  dimension: events {
    type: number
    description: "unique events"
    sql: ${TABLE}.events ;;
  }

  dimension: levels_played {
    type: number
    description: "distinct levels with a start or an outcome"
    sql: ${TABLE}.levels_played ;;
  }

  dimension: levels_completed {
    type: number
    description: "level_complete events"
    sql: ${TABLE}.levels_completed ;;
  }

  dimension: playtime_minutes {
    type: number
    description: "duration_sec / 60 over the types marked playtime"
    sql: ${TABLE}.playtime_minutes ;;
  }

  dimension: revenue_usd {
    type: number
    description: "purchases that count, see purchases_unique"
    sql: ${TABLE}.revenue_usd ;;
  }

  measure: players {
    type: count_distinct
    description: "Players"
    sql: ${user_id} ;;
  }

  measure: sum_sessions {
    type: sum
    description: "Sessions"
    sql: ${sessions} ;;
  }

  measure: sum_revenue {
    type: sum
    description: "Revenue in US dollars"
    sql: ${revenue_usd} ;;
  }

  measure: sum_playtime {
    type: sum
    description: "Minutes played"
    sql: ${playtime_minutes} ;;
  }

  measure: revenue_per_player {
    type: number
    description: "Revenue of a player"
    sql: ${sum_revenue} / NULLIF(${players}, 0) ;;
  }
}

view: revenue_daily_metrics {
  sql_table_name: questline.revenue_daily_metrics ;;

  dimension_group: event {
    type: time
    timeframes: [date, week, month]
    datatype: date
    convert_tz: no
    description: "UTC date of the events; the partition"
    sql: ${TABLE}.event_date ;;
  }

  dimension: app_id {
    type: string
    description: "app of the write key"
    sql: ${TABLE}.app_id ;;
  }

  dimension: platform {
    type: string
    description: "platform; unknown where the event has none; all"
    sql: ${TABLE}.platform ;;
  }

  dimension: country {
    type: string
    description: "country; unknown where the event has none; all in the row of the whole day"
    sql: ${TABLE}.country ;;
  }

  dimension: purchases {
    type: number
    description: "purchases that count, see purchases_unique"
    sql: ${TABLE}.purchases ;;
  }

  dimension: payers {
    type: number
    description: "distinct players of those with a price above 0"
    sql: ${TABLE}.payers ;;
  }

  dimension: revenue_usd {
    type: number
    description: "sum of their prices"
    sql: ${TABLE}.revenue_usd ;;
  }

  dimension: arpdau {
    type: number
    description: "revenue / distinct players with any event in this very cell, to 6 decimals"
    sql: ${TABLE}.arpdau ;;
  }

  dimension: arppu {
    type: number
    description: "revenue / payers, to 6 decimals; NULL without payers"
    sql: ${TABLE}.arppu ;;
  }

  measure: sum_purchases {
    type: sum
    description: "Purchases"
    sql: ${purchases} ;;
  }

  measure: sum_revenue {
    type: sum
    description: "Revenue in US dollars"
    sql: ${revenue_usd} ;;
  }
}

view: retention_daily {
  sql_table_name: questline.retention_daily ;;

  dimension_group: event {
    type: time
    timeframes: [date, week, month]
    datatype: date
    convert_tz: no
    description: "day of play, install_date + age_days; the partition"
    sql: ${TABLE}.event_date ;;
  }

  dimension: app_id {
    type: string
    description: "app of the write key"
    sql: ${TABLE}.app_id ;;
  }

  dimension_group: install {
    type: time
    timeframes: [date, week, month]
    datatype: date
    convert_tz: no
    description: "first day seen"
    sql: ${TABLE}.install_date ;;
  }

  dimension: age_days {
    type: number
    description: "days since then; at 0 players is the size of the cohort"
    sql: ${TABLE}.age_days ;;
  }

  dimension: players {
    type: number
    description: "players first seen on install_date who played on event_date"
    sql: ${TABLE}.players ;;
  }

  measure: sum_players {
    type: sum
    description: "Players seen"
    sql: ${players} ;;
  }

  measure: first_day_players {
    type: sum
    description: "Players of the install day"
    sql: IF(${age_days} = 0, ${players}, 0) ;;
  }
}

view: quality_results {
  sql_table_name: questline.quality_results ;;

  dimension_group: event {
    type: time
    timeframes: [date, week, month]
    datatype: date
    convert_tz: no
    description: "day that was checked; the partition"
    sql: ${TABLE}.event_date ;;
  }

  dimension: run_id {
    type: string
    description: "run of the day"
    sql: ${TABLE}.run_id ;;
  }

  dimension: check_name {
    type: string
    description: "table and file of the check"
    sql: ${TABLE}.check_name ;;
  }

  dimension: severity {
    type: string
    description: "fail: stops export and training; warn: is shown"
    sql: ${TABLE}.severity ;;
  }

  dimension: passed {
    type: yesno
    description: "no row broke it"
    sql: ${TABLE}.passed ;;
  }

  dimension: broken_rows {
    type: number
    description: "rows that broke it"
    sql: ${TABLE}.broken_rows ;;
  }

  dimension: broken {
    type: string
    description: "the first of them, as an array of objects"
    sql: ${TABLE}.broken ;;
  }

  dimension_group: checked {
    type: time
    timeframes: [time, date]
    datatype: timestamp
    convert_tz: no
    description: "when it was checked"
    sql: ${TABLE}.checked_at ;;
  }

  measure: checks {
    type: count
    description: "Checks"
  }

  measure: failures {
    type: sum
    description: "Checks not passed"
    sql: IF(${passed}, 0, 1) ;;
  }
}

# Who may do what: one account for each function, nothing public but ingest.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project   = "some-project"
  operators = ["group:operators@example.com"]
  viewers   = ["domain:example.com"]
}

run "only_ingest_is_public" {
  command = apply

  assert {
    condition     = one(module.ingest.invokers) == "allUsers"
    error_message = "Ingest is not public: no client could send."
  }

  assert {
    condition = length(setintersection(["allUsers", "allAuthenticatedUsers"], flatten([
      module.dlq_reprocess.invokers, module.daily_aggregate.invokers, module.ml_trigger.invokers,
      module.dashboard.invokers, google_cloud_run_v2_service_iam_member.autoscaler.member,
    ]))) == 0
    error_message = "Something besides ingest is public."
  }

  assert {
    condition = length(distinct([
      module.ingest.email, google_service_account.process.email, module.dlq_reprocess.email,
      module.daily_aggregate.email, module.ml_trigger.email, module.dashboard.email,
      google_service_account.scheduler.email, google_service_account.push.email,
      google_service_account.training.email, google_service_account.autoscaler.email,
      google_service_account.operator.email, google_service_account.replay.email,
    ])) == 12
    error_message = "Two share an account."
  }

  assert {
    condition     = alltrue([for pair in module.warehouse.writers : !startswith(pair, "dashboard/") && !startswith(pair, "ingest/")])
    error_message = "A function that only reads, or knows no tables, may write one."
  }

  assert {
    condition     = contains(module.warehouse.writers, "process/events") && !contains(module.warehouse.writers, "daily-aggregate/events")
    error_message = "Who writes a table does not follow sql/*/metadata.yaml."
  }

  assert {
    condition = contains(module.warehouse.writers, "daily-aggregate/level_metrics") && alltrue([
      for table in keys(jsondecode(file("../tables.json")).tables) :
      length([for pair in module.warehouse.writers : pair if endswith(pair, "/${table}")]) > 0
    ])
    error_message = "A table has nobody who may write it."
  }

  assert {
    condition     = length(setintersection(["training", "ingest"], module.warehouse.readers)) == 0
    error_message = "Somebody reads tables who has no use for them: training reads what was exported, and ingest nothing."
  }

  assert {
    condition = alltrue([
      for bucket in [google_storage_bucket.archive, google_storage_bucket.lookups, google_storage_bucket.features, google_storage_bucket.training] :
      bucket.public_access_prevention == "enforced" && bucket.uniform_bucket_level_access
    ])
    error_message = "A bucket could be made public."
  }

  assert {
    condition     = google_secret_manager_secret_version.keys.secret_data == null && google_secret_manager_secret_version.keys.secret_data_wo == null
    error_message = "A secret is in the state."
  }
}

run "schedules" {
  assert {
    condition = alltrue([
      for job in [google_cloud_scheduler_job.daily_aggregate, google_cloud_scheduler_job.ml_trigger, google_cloud_scheduler_job.autoscaler] :
      job.time_zone == "Etc/UTC" && one(job.retry_config).retry_count >= 1 &&
      one(one(job.http_target).oidc_token) != null
    ])
    error_message = "A schedule has no time zone, no retries or no identity."
  }

  assert {
    condition     = google_cloud_scheduler_job.daily_aggregate.schedule == "*/5 2-3 * * *"
    error_message = "The daily run is not called every 5 minutes from 02:00 UTC."
  }
}

run "callers_are_looked_at_twice" {
  assert {
    condition = alltrue([
      for function in [module.dlq_reprocess, module.daily_aggregate, module.ml_trigger] :
      toset([for email in split(",", function.env["QUESTLINE_CALLERS"]) : "serviceAccount:${email}"]) == toset(function.invokers)
    ])
    error_message = "A function does not take calls from those that IAM lets in, and from nobody else."
  }

  assert {
    condition = alltrue([
      for function in [module.dlq_reprocess, module.daily_aggregate, module.ml_trigger] :
      function.env["QUESTLINE_AUDIENCE"] == function.audience && function.env["QUESTLINE_CALLERS_SIGNATURE"] == "platform"
    ])
    error_message = "A function wants tokens for something else than Cloud Run does, or a signature that Cloud Run removes."
  }

  assert {
    condition = (
      one(one(google_cloud_scheduler_job.daily_aggregate.http_target).oidc_token).audience == module.daily_aggregate.audience &&
      one(one(google_cloud_scheduler_job.ml_trigger.http_target).oidc_token).audience == module.ml_trigger.audience &&
      one(one(google_pubsub_subscription.ml_trigger.push_config).oidc_token).audience == module.ml_trigger.audience
    )
    error_message = "A schedule or a push asks for a token that is for something else."
  }

  assert {
    condition = alltrue([
      for caller in {
        schedule  = [module.daily_aggregate, google_service_account.scheduler.email]
        follow    = [module.ml_trigger, google_service_account.scheduler.email]
        push      = [module.ml_trigger, google_service_account.push.email]
        operators = [module.dlq_reprocess, google_service_account.operator.email]
        by_hand   = [module.daily_aggregate, google_service_account.operator.email]
      } : contains(caller[0].invokers, "serviceAccount:${caller[1]}")
    ])
    error_message = "Somebody who has to call may not."
  }

  assert {
    condition     = [for member in google_service_account_iam_member.operator : member.member] == ["group:operators@example.com"]
    error_message = "Operators cannot call as the account that may."
  }

  assert {
    condition     = length(setintersection(["QUESTLINE_CALLERS", "QUESTLINE_CALLERS_SIGNATURE"], concat(keys(module.ingest.env), keys(module.dashboard.env)))) == 0
    error_message = "A function whose callers are people, or everybody, takes their word for their signature."
  }
}

run "replay" {
  # Addresses of accounts are known after apply.
  command = apply

  variables {
    geo_database = "country.mmdb"
  }

  assert {
    condition = {
      for volume in google_cloud_run_v2_job.replay.template[0].template[0].volumes :
      volume.name => [volume.gcs[0].bucket, volume.gcs[0].read_only]
      } == {
      archive = [google_storage_bucket.archive.name, true]
      lookups = [google_storage_bucket.lookups.name, true]
    }
    error_message = "A replay has not the archive and the lookups, or could write them."
  }

  assert {
    condition     = length(setsubtract([for member in google_storage_bucket_iam_member.replay : member.role], ["roles/storage.objectViewer"])) == 0
    error_message = "A replay may do more with a bucket than read it."
  }

  assert {
    condition = (
      google_cloud_run_v2_job.replay.template[0].template[0].max_retries == 0 &&
      google_cloud_run_v2_job.replay.template[0].task_count == 1
    )
    error_message = "A replay runs more than once for one request."
  }

  assert {
    condition = {
      for env in google_cloud_run_v2_job.replay.template[0].template[0].containers[0].env : env.name => env.value
      } == merge(
      { for env in google_cloud_run_v2_worker_pool.process.template[0].containers[0].env : env.name => env.value },
      { QUESTLINE_KAFKA_USER = google_service_account.replay.email, QUESTLINE_REPLAY = "{}" },
    )
    error_message = "A replay is told something else than processing, or would consume where no request is given."
  }

  assert {
    condition     = one(distinct([for member in google_cloud_run_v2_job_iam_member.replay : member.member])) == google_service_account.operator.member
    error_message = "Others than operators start a replay."
  }

  assert {
    condition = length(setsubtract(
      ["events", "events_dlq", "ledger", "touched_days", "staged_events", "staged_events_dlq", "staged_ledger", "staged_positions"],
      keys(google_bigquery_table_iam_member.replay),
    )) == 0
    error_message = "A replay may not write what it replaces, or puts aside."
  }
}

run "push_has_a_way_out" {
  assert {
    condition = alltrue([
      for subscription in concat([google_pubsub_subscription.ml_trigger], values(google_pubsub_subscription.enriched)) :
      length(subscription.dead_letter_policy) == 1
    ])
    error_message = "A subscription has no dead-letter topic: what cannot be delivered would be tried for ever."
  }
}

run "a_public_operator_is_refused" {
  command = plan
  variables {
    operators = ["allUsers"]
    viewers   = ["allAuthenticatedUsers"]
  }
  expect_failures = [var.operators, var.viewers]
}

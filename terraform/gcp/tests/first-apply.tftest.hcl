# A first apply works before any image, key or log id exists; bad input is named, with its mend.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project = "some-project"
}

run "before_any_image" {
  command = apply

  assert {
    condition     = alltrue([for image in values(local.images) : startswith(image, "us-docker.pkg.dev/cloudrun/container/")])
    error_message = "A function waits for an image that nobody has built."
  }

  assert {
    condition     = length(output.next_steps) == 5
    error_message = "The next steps do not name all that is missing: ${jsonencode(output.next_steps)}"
  }
}

run "traces_go_where_they_are_told" {
  command = apply

  variables {
    otlp_endpoint = "http://collector.example:4318"
  }

  assert {
    condition = alltrue([
      for env in concat(
        [for function in [module.ingest, module.dlq_reprocess, module.daily_aggregate, module.ml_trigger, module.dashboard] : function.env],
        [{ for env in google_cloud_run_v2_worker_pool.process.template[0].containers[0].env : env.name => env.value }],
      ) : lookup(env, "OTEL_EXPORTER_OTLP_ENDPOINT", "") == "http://collector.example:4318"
    ])
    error_message = "A function is not told where traces go."
  }
}

run "metrics_are_read_where_there_are_some" {
  command = apply

  assert {
    condition = {
      for function in [module.ingest, module.dlq_reprocess, module.daily_aggregate, module.ml_trigger, module.dashboard] :
      function.name => keys(function.containers)
      } == {
      questline-ingest          = ["ingest", "metrics"]
      questline-dlq-reprocess   = ["dlq-reprocess"]
      questline-daily-aggregate = ["daily-aggregate", "metrics"]
      questline-ml-trigger      = ["metrics", "ml-trigger"]
      questline-dashboard       = ["dashboard"]
    }
    error_message = "A sidecar reads metrics of a function that has none, or one that has some goes without."
  }

  assert {
    condition = alltrue([
      for function in [module.ingest, module.daily_aggregate, module.ml_trigger] : !anytrue(values(function.containers))
    ])
    error_message = "A sidecar, or the function beside it, sleeps between requests: its metrics are not read."
  }
}

run "an_image_that_is_named_is_taken" {
  variables {
    images = { ingest = "example.com/ingest:1" }
  }

  assert {
    condition     = local.images["ingest"] == "example.com/ingest:1"
    error_message = "images is not heeded."
  }
}

run "wrong_input" {
  command = plan
  variables {
    project              = "Some Project"
    prefix               = "much-too-long-a-prefix"
    region               = "us-central1-a"
    images               = { ingestion = "x" }
    kafka                = { vcpus = 1, memory_gib = 64 }
    process_instances    = { min = 1, max = 65 }
    alert_emails         = ["nobody"]
    log_id               = "a/b"
    geo_database         = "gs://bucket/country.mmdb"
    budget               = { billing_account = "my account", amount = 1 }
    enriched_subscribers = ["A"]
    otlp_endpoint        = "collector:4318"
  }
  expect_failures = [
    var.project, var.prefix, var.region, var.images, var.kafka, var.process_instances, var.alert_emails,
    var.log_id, var.geo_database, var.budget, var.enriched_subscribers, var.otlp_endpoint,
  ]
}

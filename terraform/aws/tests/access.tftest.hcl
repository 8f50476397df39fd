# Who may do what: one role for each function, nothing public but ingest.

mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  google         = { project = "some-project" }
  kafka_password = "0123456789abcdef"
  subnet_ids     = ["subnet-0a", "subnet-0b", "subnet-0c"]
}

run "only_ingest_is_public" {
  command = apply

  assert {
    condition     = aws_lambda_function_url.dashboard.authorization_type == "AWS_IAM"
    error_message = "The dashboard answers everybody."
  }

  assert {
    condition     = toset([aws_lambda_permission.ingest.principal, aws_lambda_permission.ml_trigger.principal]) == toset(["apigateway.amazonaws.com", "sns.amazonaws.com"]) && aws_lambda_permission.ingest.function_name == module.ingest.name
    error_message = "Somebody besides the gateway and the topic may call a function."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.ingest : !strcontains(route.route_key, "metrics") && !strcontains(route.route_key, "$default")])
    error_message = "/metrics is reachable from outside."
  }

  assert {
    condition     = one(aws_apigatewayv2_stage.ingest.default_route_settings).throttling_rate_limit == 2000
    error_message = "Ingest is not throttled."
  }

  assert {
    condition     = !strcontains(one(aws_apigatewayv2_stage.ingest.access_log_settings).format, "sourceIp") && !strcontains(one(aws_apigatewayv2_stage.ingest.access_log_settings).format, "path")
    error_message = "Addresses or query strings are logged."
  }

  assert {
    condition     = length(distinct([module.ingest.role, module.process.role, module.dlq_reprocess.role, module.daily_aggregate.role, module.ml_trigger.role, module.dashboard.role])) == 6
    error_message = "Two functions share a role."
  }

  assert {
    condition     = strcontains(google_iam_workload_identity_pool_provider.aws.attribute_condition, "123456789012:assumed-role/questline-")
    error_message = "Roles that are not ours could be exchanged for Google's."
  }

  assert {
    condition     = contains(module.warehouse.writers, "process/events") && contains(module.warehouse.writers, "daily-aggregate/level_metrics")
    error_message = "Who writes a table does not follow sql/*/metadata.yaml."
  }

  assert {
    condition     = google_service_account_iam_member.function["process"].member == "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/questline-aws/attribute.aws_role/questline-process"
    error_message = "Another role than process's own may work as its account."
  }
}

run "functions" {
  command = apply

  assert {
    condition = alltrue([
      for function in [module.ingest, module.process, module.dlq_reprocess, module.daily_aggregate, module.ml_trigger, module.dashboard] :
      function.function.runtime == "provided.al2023" && function.function.architectures == tolist(["arm64"]) && function.log_retention == 30
    ])
    error_message = "A function is not built for arm64 on provided.al2023, or its logs are kept for ever."
  }
}

run "schedules" {
  assert {
    condition     = aws_scheduler_schedule.daily_aggregate.schedule_expression == "cron(0/5 2-3 * * ? *)"
    error_message = "The daily run is not called every 5 minutes from 02:00 UTC."
  }

  assert {
    condition = alltrue([
      for schedule in [aws_scheduler_schedule.daily_aggregate, aws_scheduler_schedule.ml_trigger] :
      schedule.schedule_expression_timezone == "UTC" &&
      one(one(schedule.target).retry_policy).maximum_retry_attempts >= 1 &&
      length(one(schedule.target).dead_letter_config) == 1
    ])
    error_message = "A schedule has no time zone, no retries, or nowhere for what fails."
  }
}

run "a_message_that_is_given_up_is_kept" {
  command = apply

  assert {
    condition = (
      one(one(aws_lambda_function_event_invoke_config.ml_trigger.destination_config).on_failure).destination == aws_sqs_queue.undelivered.arn &&
      aws_lambda_function_event_invoke_config.ml_trigger.qualifier == "live"
    )
    error_message = "What ml-trigger fails at three times is forgotten: nothing is trained for a week."
  }
}

run "tables_equal_sql" {
  assert {
    condition = toset(keys(module.warehouse.tables)) == toset([
      for path in fileset("${path.module}/../../sql", "*/definition.sql") : dirname(path)
    ])
    error_message = "Tables and folders of sql/ differ; scripts/derive-tables brings them together."
  }
}

run "wrong_input" {
  command = plan
  variables {
    google         = { project = "Some Project" }
    kafka          = { instance_type = "m7g.large", volume_gib = 500 }
    kafka_password = "short"
    prefix         = "gcp-questline"
    region         = "us-east-1a"
    subnet_ids     = ["subnet-0a", "subnet-0a", "subnet-0c"]
    throttle       = { rate = 10, burst = 1 }
    alert_emails   = ["nobody"]

    geo_layer              = "arn:aws:lambda:us-east-1:123456789012:layer:geo"
    kafka_password_version = 0
    otlp_endpoint          = "collector:4318"
  }
  expect_failures = [
    var.google, var.kafka, var.kafka_password, var.kafka_password_version, var.prefix, var.region, var.subnet_ids,
    var.throttle, var.alert_emails, var.geo_layer, var.otlp_endpoint,
  ]
}

run "a_region_of_aws_is_no_place_for_bigquery" {
  command = plan
  variables {
    google = { project = "some-project", location = "us-east-1" }
  }
  expect_failures = [var.google]
}

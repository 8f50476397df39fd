# A first apply works before anything is built, and what it leaves to do is said.

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

run "before_any_build" {
  command = apply

  assert {
    condition = alltrue([
      for function in [module.ingest, module.process, module.dlq_reprocess, module.daily_aggregate, module.ml_trigger, module.dashboard] :
      function.function.s3_key == aws_s3_object.nothing_yet.key && function.function.s3_bucket == aws_s3_object.nothing_yet.bucket
    ])
    error_message = "A function waits for a build that nobody has made."
  }

  assert {
    condition     = length(output.next_steps) == 4
    error_message = "The next steps do not name all that is missing: ${jsonencode(output.next_steps)}"
  }

  assert {
    condition = (
      length(module.process.function.layers) == 0 &&
      !contains(keys(one(module.process.function.environment).variables), "QUESTLINE_GEO_DB")
    )
    error_message = "Processing waits for a geo database that nobody has published."
  }

  assert {
    condition     = aws_secretsmanager_secret.keys.recovery_window_in_days == 30 && aws_secretsmanager_secret.kafka.recovery_window_in_days == 30
    error_message = "A secret that is removed by mistake is gone at once."
  }
}

run "a_geo_database_that_is_named_is_read" {
  command = apply

  variables {
    geo_layer = "arn:aws:lambda:us-east-1:123456789012:layer:geo:1"
  }

  assert {
    condition = (
      module.process.function.layers == tolist([var.geo_layer]) &&
      one(module.process.function.environment).variables["QUESTLINE_GEO_DB"] == "/opt/geo.mmdb"
    )
    error_message = "geo_layer is not heeded."
  }
}

run "traces_go_where_they_are_told" {
  command = apply

  variables {
    otlp_endpoint = "http://collector.example:4318"
  }

  assert {
    condition = alltrue([
      for function in [module.ingest, module.process, module.dlq_reprocess, module.daily_aggregate, module.ml_trigger, module.dashboard] :
      one(function.function.environment).variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == var.otlp_endpoint &&
      one(function.function.environment).variables["OTEL_SERVICE_NAME"] == function.name
    ])
    error_message = "A function is not told where traces go, or under which name."
  }
}

run "training_is_beside_what_it_reads" {
  command = apply

  variables {
    google = { project = "some-project", location = "europe-west1" }
  }

  assert {
    condition     = endswith(one(module.ml_trigger.function.environment).variables["QUESTLINE_TRAINING"], "/locations/europe-west1")
    error_message = "Training runs in another region than its data."
  }
}

run "what_may_be_torn_down_leaves_no_names" {
  command = apply

  variables {
    deletion_protection = false
  }

  assert {
    condition     = aws_secretsmanager_secret.keys.recovery_window_in_days == 0 && aws_secretsmanager_secret.kafka.recovery_window_in_days == 0
    error_message = "After a destroy the names of secrets are taken for 30 days."
  }
}

run "subnets_of_one_zone_are_named_before_anything_is_made" {
  command = plan

  override_data {
    target = data.aws_subnet.given
    values = { availability_zone = "us-east-1a", vpc_id = "vpc-0a" }
  }

  expect_failures = [aws_msk_cluster.log]
}

run "subnets_of_three_networks_are_named_too" {
  command = plan

  override_data {
    target = data.aws_subnet.given["subnet-0b"]
    values = { availability_zone = "us-east-1b", vpc_id = "vpc-0b" }
  }

  expect_failures = [aws_msk_cluster.log]
}

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
  }
  expect_failures = [
    var.project, var.prefix, var.region, var.images, var.kafka, var.process_instances, var.alert_emails,
    var.log_id, var.geo_database, var.budget, var.enriched_subscribers,
  ]
}

# ④ daily-aggregate: closes the day before. It does what is ready and ends; the schedule calls again.

module "daily_aggregate" {
  source        = "./modules/function"
  name          = "daily-aggregate"
  project       = local.function.project
  region        = local.function.region
  prefix        = local.function.prefix
  shared_env    = local.function.env
  metrics_image = local.function.metrics_image
  image         = local.images["daily-aggregate"]
  callers = {
    schedule  = google_service_account.scheduler.email
    operators = google_service_account.operator.email
  }

  # Two runs of one day at a time would only wait for each other.
  concurrency = 1
  timeout     = "900s"
  cpu_idle    = false

  env = {
    QUESTLINE_WAREHOUSE     = local.warehouse
    QUESTLINE_FEATURES      = "gs://${google_storage_bucket.features.name}/features"
    QUESTLINE_METRICS_READY = "pubsub:${google_pubsub_topic.metrics_ready.id}"
  }
}

resource "google_service_account" "scheduler" {
  account_id   = "${var.prefix}-scheduler"
  display_name = "Questline schedules"
  depends_on   = [google_project_service.api]
}

# From 02:00 UTC every 5 minutes: a day that is not ready at 03:00 has failed, and what failed is
# tried twice more, 5 minutes apart.
resource "google_cloud_scheduler_job" "daily_aggregate" {
  name             = "${var.prefix}-daily-aggregate"
  description      = "Closes the day before"
  region           = var.region
  schedule         = "*/5 2-3 * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "900s"

  retry_config {
    retry_count          = 2
    min_backoff_duration = "10s"
    max_backoff_duration = "60s"
  }

  http_target {
    uri         = "${module.daily_aggregate.uri}/run"
    http_method = "POST"
    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = module.daily_aggregate.audience
    }
  }
}

# What models are trained on.
resource "google_storage_bucket" "features" {
  name                        = "${var.project}-${var.prefix}-features"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  # A year of days, as the events themselves.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 365
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "daily_features" {
  bucket = google_storage_bucket.features.name
  role   = "roles/storage.objectUser"
  member = module.daily_aggregate.member
}

resource "google_pubsub_topic" "metrics_ready" {
  name       = "${var.prefix}-metrics-ready"
  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic_iam_member" "metrics_ready" {
  topic  = google_pubsub_topic.metrics_ready.id
  role   = "roles/pubsub.publisher"
  member = module.daily_aggregate.member
}

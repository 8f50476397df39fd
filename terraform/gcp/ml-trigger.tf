# ⑤ ml-trigger: one training job a week, when the metrics are ready.

module "ml_trigger" {
  source        = "./modules/function"
  name          = "ml-trigger"
  project       = local.function.project
  region        = local.function.region
  prefix        = local.function.prefix
  shared_env    = local.function.env
  metrics_image = local.function.metrics_image
  image         = local.images["ml-trigger"]
  callers = {
    push     = google_service_account.push.email
    schedule = google_service_account.scheduler.email
  }
  cpu_idle = false

  env = {
    QUESTLINE_WAREHOUSE = local.warehouse
    QUESTLINE_FEATURES  = "gs://${google_storage_bucket.features.name}/features"
    QUESTLINE_TRAINING  = "vertex:projects/${var.project}/locations/${var.region}"
    # The job works under this account, not under the trigger's.
    QUESTLINE_TRAINING_ACCOUNT = google_service_account.training.email
    QUESTLINE_TRAINING_ROOT    = "gs://${google_storage_bucket.training.name}"
  }
}

# A job takes an hour, and no call waits for it: how it stands is asked now and then.
resource "google_cloud_scheduler_job" "ml_trigger" {
  name             = "${var.prefix}-ml-trigger"
  description      = "Follows the training jobs under way"
  region           = var.region
  schedule         = "*/15 * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "60s"

  retry_config {
    retry_count          = 1
    min_backoff_duration = "10s"
    max_backoff_duration = "60s"
  }

  http_target {
    uri         = "${module.ml_trigger.uri}/follow"
    http_method = "POST"
    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = module.ml_trigger.audience
    }
  }
}

resource "google_service_account" "push" {
  account_id   = "${var.prefix}-push"
  display_name = "Questline push of Pub/Sub"
  depends_on   = [google_project_service.api]
}

resource "google_pubsub_subscription" "ml_trigger" {
  name                 = "${var.prefix}-ml-trigger"
  topic                = google_pubsub_topic.metrics_ready.id
  ack_deadline_seconds = 60

  push_config {
    push_endpoint = "${module.ml_trigger.uri}/push"
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = module.ml_trigger.audience
    }
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.metrics_ready_dead_letters.id
    max_delivery_attempts = 10
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic" "metrics_ready_dead_letters" {
  name       = "${var.prefix}-metrics-ready-dead-letters"
  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic_iam_member" "metrics_ready_dead_letters" {
  topic  = google_pubsub_topic.metrics_ready_dead_letters.id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "ml_trigger" {
  subscription = google_pubsub_subscription.ml_trigger.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

resource "google_pubsub_subscription" "metrics_ready_dead_letters" {
  name                       = google_pubsub_topic.metrics_ready_dead_letters.name
  topic                      = google_pubsub_topic.metrics_ready_dead_letters.id
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}

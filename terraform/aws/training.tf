# Training jobs on Vertex AI: what they read and write, who may start one, and who it works as.

locals {
  # Jobs run in one region, beside what they read; BigQuery also knows places of several.
  training_region = lookup({ US = "us-central1", EU = "europe-west4" }, var.google.location, var.google.location)
}

# What models are trained on, and what comes of it.
resource "google_storage_bucket" "features" {
  name                        = "${var.google.project}-${var.prefix}-features"
  location                    = var.google.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 365
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_service_account" "training" {
  account_id   = "${var.prefix}-training"
  display_name = "Questline training jobs"
  depends_on   = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "features" {
  for_each = {
    daily-aggregate = google_service_account.function["daily-aggregate"].member
    ml-trigger      = google_service_account.function["ml-trigger"].member
    training        = google_service_account.training.member
  }
  bucket = google_storage_bucket.features.name
  role   = "roles/storage.objectUser"
  member = each.value
}

resource "google_project_iam_custom_role" "training" {
  role_id     = "${replace(var.prefix, "-", "_")}_start_training"
  title       = "Questline: start training"
  permissions = ["aiplatform.pipelineJobs.create", "aiplatform.pipelineJobs.get"]
  depends_on  = [google_project_service.api]
}

resource "google_project_iam_member" "training" {
  for_each = {
    start = { role = google_project_iam_custom_role.training.id, member = google_service_account.function["ml-trigger"].member }
    work  = { role = "roles/aiplatform.user", member = google_service_account.training.member }
  }
  project = var.google.project
  role    = each.value.role
  member  = each.value.member
}

resource "google_service_account_iam_member" "training" {
  service_account_id = google_service_account.training.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.function["ml-trigger"].member
}

# Training jobs: who may start one, who it works as, what it reads and where it writes.

# It may start a training job and look how it went, nothing else of Vertex AI.
resource "google_project_iam_custom_role" "training" {
  role_id = "${replace(var.prefix, "-", "_")}_start_training"
  title   = "Questline: start training"
  permissions = [
    "aiplatform.pipelineJobs.create",
    "aiplatform.pipelineJobs.get",
  ]

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "ml_trigger" {
  project = var.project
  role    = google_project_iam_custom_role.training.id
  member  = module.ml_trigger.member
}

resource "google_service_account" "training" {
  account_id   = "${var.prefix}-training"
  display_name = "Questline training jobs"
  depends_on   = [google_project_service.api]
}

resource "google_service_account_iam_member" "training" {
  service_account_id = google_service_account.training.name
  role               = "roles/iam.serviceAccountUser"
  member             = module.ml_trigger.member
}

# Vertex AI asks for this one of whoever a job works as.
resource "google_project_iam_member" "training" {
  project = var.project
  role    = "roles/aiplatform.user"
  member  = google_service_account.training.member
}

resource "google_storage_bucket" "training" {
  name                        = "${var.project}-${var.prefix}-training"
  location                    = var.region
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

resource "google_storage_bucket_iam_member" "training" {
  for_each = {
    features = { bucket = google_storage_bucket.features.name, role = "roles/storage.objectViewer", member = google_service_account.training.member }
    root     = { bucket = google_storage_bucket.training.name, role = "roles/storage.objectUser", member = google_service_account.training.member }
    # What a model was trained on, beside it.
    manifest = { bucket = google_storage_bucket.training.name, role = "roles/storage.objectUser", member = module.ml_trigger.member }
    check    = { bucket = google_storage_bucket.features.name, role = "roles/storage.objectViewer", member = module.ml_trigger.member }
  }
  bucket = each.value.bucket
  role   = each.value.role
  member = each.value.member
}

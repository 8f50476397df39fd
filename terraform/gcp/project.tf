# What the project must be able to do, and where images lie.

locals {
  _apis = toset([
    "aiplatform", "artifactregistry", "bigquery", "billingbudgets", "cloudscheduler", "compute", "iam",
    "iamcredentials", "managedkafka", "monitoring", "parametermanager", "pubsub", "run", "secretmanager",
    "storage",
  ])
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "api" {
  for_each = local._apis
  project  = var.project
  service  = "${each.key}.googleapis.com"

  # Others may use it too.
  disable_on_destroy = false
}

resource "google_artifact_registry_repository" "images" {
  repository_id = var.prefix
  location      = var.region
  format        = "DOCKER"
  description   = "Images of the functions"

  docker_config {
    # A tag names one build for ever; a rollback finds what it names.
    immutable_tags = true
  }

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 20
    }
  }

  cleanup_policies {
    id     = "remove-old"
    action = "DELETE"
    condition {
      older_than = "7776000s"
    }
  }

  depends_on = [google_project_service.api]
}

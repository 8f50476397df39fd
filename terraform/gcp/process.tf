# ② process: a worker pool that owns partitions of the raw topic, as many instances as the lag asks for.

locals {
  # What a replay is told, too, so that it judges alike.
  process_env = merge(
    local.function.env,
    local.kafka_env,
    {
      QUESTLINE_WAREHOUSE  = local.warehouse
      GOOGLE_CLOUD_PROJECT = var.project
    },
    var.geo_database == "" ? {} : { QUESTLINE_GEO_DB = "/lookups/${var.geo_database}" },
  )
}

resource "google_service_account" "process" {
  account_id   = "${var.prefix}-process"
  display_name = "Questline process"
  depends_on   = [google_project_service.api]
}

resource "google_project_iam_member" "process_metrics" {
  project = var.project
  role    = "roles/monitoring.metricWriter"
  member  = google_service_account.process.member
}

resource "google_storage_bucket_iam_member" "process_lookups" {
  bucket = google_storage_bucket.lookups.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.process.member
}

# Where and on what an event was: databases that processing reads when it starts.
resource "google_storage_bucket" "lookups" {
  name                        = "${var.project}-${var.prefix}-lookups"
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
      num_newer_versions = 5
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_cloud_run_v2_worker_pool" "process" {
  name                = "${var.prefix}-process"
  location            = var.region
  deletion_protection = false

  scaling {
    scaling_mode          = "MANUAL"
    manual_instance_count = var.process_instances.min
  }

  template {
    service_account = google_service_account.process.email

    containers {
      name  = "process"
      image = local.images["process"]

      resources {
        limits = { cpu = "2", memory = "2Gi" }
      }

      dynamic "env" {
        for_each = merge(local.process_env, { QUESTLINE_KAFKA_USER = google_service_account.process.email })
        content {
          name  = env.key
          value = env.value
        }
      }

      volume_mounts {
        name       = "lookups"
        mount_path = "/lookups"
      }

      # No probe: it ends by itself where it can never work, and waits where something is away.
    }

    containers {
      name  = "metrics"
      image = local._metrics_image

      resources {
        limits = { cpu = "0.5", memory = "256Mi" }
      }
    }

    volumes {
      name = "lookups"
      gcs {
        bucket    = google_storage_bucket.lookups.name
        read_only = true
      }
    }

    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"
      network_interfaces {
        subnetwork = google_compute_subnetwork.main.id
      }
    }
  }

  lifecycle {
    # scripts/deploy rolls out images, the autoscaler counts instances. Of revisions' names see the
    # module of functions.
    ignore_changes = [
      template[0].containers[0].image, instance_splits, scaling[0].manual_instance_count,
      client, client_version,
    ]
  }
}

# ② again: a replay, a job of process's image, whose request an operator gives to each execution. It has an
# account of its own: it reads the archive, 90 days of addresses, and produces and commits nothing.

resource "google_service_account" "replay" {
  account_id   = "${var.prefix}-replay"
  display_name = "Questline replay"
  depends_on   = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "replay" {
  for_each = { archive = google_storage_bucket.archive.name, lookups = google_storage_bucket.lookups.name }
  bucket   = each.value
  role     = "roles/storage.objectViewer"
  member   = google_service_account.replay.member
}

# Its rows take the place of rows of processing.
resource "google_bigquery_table_iam_member" "replay" {
  for_each   = toset([for pair in module.warehouse.writers : trimprefix(pair, "process/") if startswith(pair, "process/")])
  project    = module.warehouse.tables[each.key].project
  dataset_id = module.warehouse.tables[each.key].dataset_id
  table_id   = module.warehouse.tables[each.key].table_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.replay.member
}

resource "google_cloud_run_v2_job" "replay" {
  name                = "${var.prefix}-replay"
  location            = var.region
  deletion_protection = false

  template {
    # One replay is one process: rows are replaced in one transaction.
    task_count  = 1
    parallelism = 1

    template {
      service_account = google_service_account.replay.email
      timeout         = "86400s"

      # What fails has changed nothing, and says why; mended, the same request may come again.
      max_retries = 0

      containers {
        name  = "process"
        image = lookup(var.images, "process", local._sample_job)

        # The bucket's own reading takes some of the memory.
        resources {
          limits = { cpu = "2", memory = "4Gi" }
        }

        dynamic "env" {
          for_each = merge(local.process_env, {
            QUESTLINE_KAFKA_USER = google_service_account.replay.email
            # Not a request: an execution without one of its own ends at once, instead of consuming.
            QUESTLINE_REPLAY = "{}"
          })
          content {
            name  = env.key
            value = env.value
          }
        }

        volume_mounts {
          name       = "archive"
          mount_path = "/archive"
        }

        volume_mounts {
          name       = "lookups"
          mount_path = "/lookups"
        }
      }

      volumes {
        name = "archive"
        gcs {
          bucket    = google_storage_bucket.archive.name
          read_only = true
          # The connector makes objects, and no folders.
          mount_options = ["implicit-dirs"]
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
  }

  lifecycle {
    # scripts/deploy rolls out images, this one with process.
    ignore_changes = [template[0].template[0].containers[0].image, client, client_version]
  }

  depends_on = [google_storage_bucket_iam_member.replay]
}

# Operators start it with a request and look how it went; what it is they cannot change.
resource "google_cloud_run_v2_job_iam_member" "replay" {
  for_each = toset(["roles/run.jobsExecutorWithOverrides", "roles/run.viewer"])
  name     = google_cloud_run_v2_job.replay.name
  location = var.region
  role     = each.key
  member   = google_service_account.operator.member
}

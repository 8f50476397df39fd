# One function as a Cloud Run service, working under an account of its own.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

locals {
  # What tokens of its callers are for: a name, since its address is not known before it is there.
  audience = "${var.prefix}-${var.name}"

  # IAM lets callers in by their tokens, and the function looks at the same tokens again. Cloud Run
  # removes their signatures; that is said here, where nobody else may call without one.
  identity = length(var.callers) == 0 ? {} : {
    QUESTLINE_CALLERS           = join(",", values(var.callers))
    QUESTLINE_AUDIENCE          = local.audience
    QUESTLINE_CALLERS_SIGNATURE = "platform"
  }
}

resource "google_service_account" "function" {
  project      = var.project
  account_id   = "${var.prefix}-${var.name}"
  display_name = "Questline ${var.name}"
}

resource "google_project_iam_member" "metrics" {
  count   = var.metrics_image == null ? 0 : 1
  project = var.project
  role    = "roles/monitoring.metricWriter"
  member  = google_service_account.function.member
}

resource "google_secret_manager_secret_iam_member" "secret" {
  for_each  = var.secrets
  project   = var.project
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function.member
}

resource "google_cloud_run_v2_service" "function" {
  project             = var.project
  location            = var.region
  name                = "${var.prefix}-${var.name}"
  ingress             = var.ingress
  deletion_protection = false
  custom_audiences    = length(var.callers) == 0 ? null : [local.audience]

  scaling {
    min_instance_count = var.instances.min
    max_instance_count = var.instances.max
  }

  template {
    service_account                  = google_service_account.function.email
    timeout                          = var.timeout
    max_instance_request_concurrency = var.concurrency

    containers {
      name  = var.name
      image = var.image

      ports {
        container_port = 8080
      }

      resources {
        limits = { cpu = var.cpu, memory = var.memory }
        # Counting and the ledger's pages go on between requests, and the sidecar reads then, too.
        cpu_idle          = var.cpu_idle
        startup_cpu_boost = true
      }

      dynamic "env" {
        # By its name the lines of the log find their trace.
        for_each = merge({ GOOGLE_CLOUD_PROJECT = var.project }, local.identity, var.shared_env, var.env)
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = var.secrets
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }

      startup_probe {
        period_seconds    = 1
        failure_threshold = 30
        http_get {
          path = "/healthz"
        }
      }

      liveness_probe {
        period_seconds    = 10
        failure_threshold = 3
        http_get {
          path = "/healthz"
        }
      }
    }

    # Reads /metrics over loopback, the only place from where it is answered.
    dynamic "containers" {
      for_each = var.metrics_image == null ? [] : [var.metrics_image]
      content {
        name       = "metrics"
        image      = containers.value
        depends_on = [var.name]

        resources {
          limits   = { cpu = "0.5", memory = "256Mi" }
          cpu_idle = var.cpu_idle
        }
      }
    }

    dynamic "vpc_access" {
      for_each = var.subnetwork == null ? [] : [var.subnetwork]
      content {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          subnetwork = vpc_access.value
        }
      }
    }
  }

  lifecycle {
    # scripts/deploy rolls out images and moves traffic. It names revisions; that name is not to be kept,
    # since a change would be sent under the name of a revision that is there already: 409.
    ignore_changes = [template[0].containers[0].image, traffic, client, client_version]
  }

  depends_on = [google_secret_manager_secret_iam_member.secret]
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = merge(var.invokers, { for name, email in var.callers : name => "serviceAccount:${email}" })
  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.function.name
  role     = "roles/run.invoker"
  member   = each.value
}

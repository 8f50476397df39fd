# Worker pools do not scale by themselves: CREMA (KEDA's scalers for Cloud Run) reads the lag of the
# group and sets their number, called once a minute. Before 1.2 it leaks memory.

locals {
  _crema = {
    apiVersion = "crema/v1"
    kind       = "CremaConfig"
    spec = {
      triggerAuthentications = [{
        metadata = { name = "own-identity" }
        spec     = { podIdentity = { provider = "gcp" } }
      }]
      scaledObjects = [{
        spec = {
          scaleTargetRef  = { name = "projects/${var.project}/locations/${var.region}/workerpools/${google_cloud_run_v2_worker_pool.process.name}" }
          minReplicaCount = var.process_instances.min
          maxReplicaCount = var.process_instances.max
          triggers = [{
            type = "gcp-stackdriver"
            name = "lag"
            metadata = {
              projectId = var.project
              filter = join(" AND ", [
                "metric.type=\"managedkafka.googleapis.com/offset_lag\"",
                "resource.type=\"managedkafka.googleapis.com/TopicPartitionConsumerGroup\"",
                "resource.labels.cluster_id=\"${google_managed_kafka_cluster.log.cluster_id}\"",
                "resource.labels.topic_id=\"game-events-raw\"",
                "resource.labels.consumer_group_id=\"process\"",
              ])
              alignmentPeriodSeconds = "60"
              alignmentAligner       = "max"
              alignmentReducer       = "sum"
              # Half of what alerts, on each instance: it scales before anybody is woken.
              targetValue = "50000"
            }
            authenticationRef = { name = "own-identity" }
          }]
          advanced = { horizontalPodAutoscalerConfig = { behavior = {
            # Each change moves partitions: up at once, down only when it has been calm for long.
            scaleDown = { stabilizationWindowSeconds = 900, policies = [{ type = "Pods", value = 1, periodSeconds = 300 }] }
          } } }
        }
      }]
    }
  }
}

resource "google_parameter_manager_parameter" "autoscaler" {
  parameter_id = "${var.prefix}-autoscaler"
  format       = "YAML"
  depends_on   = [google_project_service.api]
}

resource "google_parameter_manager_parameter_version" "autoscaler" {
  parameter = google_parameter_manager_parameter.autoscaler.id
  # A version never changes, so each content has its own.
  parameter_version_id = "v-${substr(sha256(jsonencode(local._crema)), 0, 12)}"
  parameter_data       = yamlencode(local._crema)

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_service_account" "autoscaler" {
  account_id   = "${var.prefix}-autoscaler"
  display_name = "Questline autoscaler of process"
  depends_on   = [google_project_service.api]
}

resource "google_project_iam_member" "autoscaler" {
  for_each = toset(["roles/monitoring.viewer", "roles/parametermanager.parameterViewer"])
  project  = var.project
  role     = each.key
  member   = google_service_account.autoscaler.member
}

resource "google_cloud_run_v2_worker_pool_iam_member" "autoscaler" {
  name     = google_cloud_run_v2_worker_pool.process.name
  location = var.region
  role     = "roles/run.developer"
  member   = google_service_account.autoscaler.member
}

resource "google_service_account_iam_member" "autoscaler" {
  service_account_id = google_service_account.process.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.autoscaler.member
}

resource "google_cloud_run_v2_service" "autoscaler" {
  name                = "${var.prefix}-autoscaler"
  location            = var.region
  deletion_protection = false

  scaling {
    max_instance_count = 1
  }

  template {
    service_account = google_service_account.autoscaler.email

    containers {
      image          = "us-central1-docker.pkg.dev/cloud-run-oss-images/crema-v1/autoscaler:1.2"
      base_image_uri = "us-central1-docker.pkg.dev/serverless-runtimes/google-24/runtimes/java25"

      env {
        name  = "CREMA_CONFIG"
        value = google_parameter_manager_parameter_version.autoscaler.name
      }

      resources {
        limits = { cpu = "1", memory = "1Gi" }
      }
    }
  }

  depends_on = [google_project_iam_member.autoscaler]
}

resource "google_cloud_run_v2_service_iam_member" "autoscaler" {
  name     = google_cloud_run_v2_service.autoscaler.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}

resource "google_cloud_scheduler_job" "autoscaler" {
  name             = "${var.prefix}-autoscaler"
  description      = "Counts the instances that process"
  region           = var.region
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "60s"

  retry_config {
    retry_count = 1
  }

  http_target {
    uri         = google_cloud_run_v2_service.autoscaler.uri
    http_method = "POST"
    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = google_cloud_run_v2_service.autoscaler.uri
    }
  }
}

# What all functions share.

locals {
  # Public samples: a first apply works before anything is built. They answer, and do nothing.
  _sample_service = "us-docker.pkg.dev/cloudrun/container/hello"
  _sample_workers = "us-docker.pkg.dev/cloudrun/container/worker-pool"
  _sample_job     = "us-docker.pkg.dev/cloudrun/container/job"
  _metrics_image  = "us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar:1.2.0"

  images = {
    for name in ["ingest", "process", "dlq-reprocess", "daily-aggregate", "ml-trigger", "dashboard"] :
    name => lookup(var.images, name, name == "process" ? local._sample_workers : local._sample_service)
  }

  function = {
    # By this way whatever is made in the project waits for what the project must be able to do.
    project       = google_project_service.api["run"].project
    region        = var.region
    prefix        = var.prefix
    metrics_image = local._metrics_image
    env           = var.otlp_endpoint == "" ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT = var.otlp_endpoint }
  }

  kafka_env = {
    QUESTLINE_LOG           = "kafka:${google_managed_kafka_cluster.log.bootstrap_address}"
    QUESTLINE_KAFKA_SIGN_IN = "google"
  }

  # Those who speak with Kafka; what they may do there is an ACL.
  _kafka_clients = {
    ingest        = module.ingest.member
    process       = google_service_account.process.member
    replay        = google_service_account.replay.member
    dlq-reprocess = module.dlq_reprocess.member
    dashboard     = module.dashboard.member
  }
}

resource "google_project_iam_member" "kafka" {
  for_each = local._kafka_clients
  project  = var.project
  role     = "roles/managedkafka.client"
  member   = each.value
}

# Operators call as this account: its token can be made for one function, which a person's cannot.
resource "google_service_account" "operator" {
  account_id   = "${var.prefix}-operator"
  display_name = "Questline operators"
  depends_on   = [google_project_service.api]
}

resource "google_service_account_iam_member" "operator" {
  for_each           = toset(var.operators)
  service_account_id = google_service_account.operator.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value
}

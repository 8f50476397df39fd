# ① ingest: the only function that anybody may call.

module "ingest" {
  source        = "./modules/function"
  name          = "ingest"
  project       = local.function.project
  region        = local.function.region
  prefix        = local.function.prefix
  shared_env    = local.function.env
  metrics_image = local.function.metrics_image
  image         = local.images["ingest"]
  subnetwork    = google_compute_subnetwork.main.id

  # The write key in the request is what counts; Cloud Run's own check would want a Google account.
  invokers = { everybody = "allUsers" }

  # One is always there: a cold start is a deferred event. It writes its page of the ledger every
  # minute, so its CPU stays on.
  instances   = { min = 1, max = 40 }
  cpu_idle    = false
  concurrency = 250

  env = merge(local.kafka_env, {
    QUESTLINE_KAFKA_USER = "${var.prefix}-ingest@${var.project}.iam.gserviceaccount.com"
    # Cloud Run's front end speaks from this network, and appends the client to X-Forwarded-For.
    QUESTLINE_TRUSTED_PROXIES = "169.254.0.0/16"
  })
  secrets = { QUESTLINE_KEYS = google_secret_manager_secret.keys.secret_id }

  depends_on = [google_secret_manager_secret_version.keys]
}

# The write keys, hashed. New ones are added as a new version: outputs.next_steps tells how.
resource "google_secret_manager_secret" "keys" {
  secret_id = "${var.prefix}-keys"

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

# No key at all: ingest starts, and refuses everybody until a version with keys is added.
resource "google_secret_manager_secret_version" "keys" {
  secret                 = google_secret_manager_secret.keys.id
  secret_data_wo         = "[]"
  secret_data_wo_version = "1"
}

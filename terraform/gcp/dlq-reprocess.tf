# ③ dlq-reprocess: dead letters back onto the raw topic, when an operator says so.

module "dlq_reprocess" {
  source     = "./modules/function"
  name       = "dlq-reprocess"
  project    = local.function.project
  region     = local.function.region
  prefix     = local.function.prefix
  shared_env = local.function.env
  image      = local.images["dlq-reprocess"]
  subnetwork = google_compute_subnetwork.main.id
  callers    = { operators = google_service_account.operator.email }

  # One run at a time: what it selects, nobody else brings back meanwhile.
  concurrency = 1
  timeout     = "3600s"
  cpu_idle    = false

  env = merge(local.kafka_env, {
    QUESTLINE_KAFKA_USER = "${var.prefix}-dlq-reprocess@${var.project}.iam.gserviceaccount.com"
    QUESTLINE_WAREHOUSE  = local.warehouse
  })
}

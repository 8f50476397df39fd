# The tables of sql/, in BigQuery, and what each function may do with them.

module "warehouse" {
  source              = "../modules/warehouse"
  project             = local.function.project
  location            = var.region
  dataset_id          = replace(var.prefix, "-", "_")
  deletion_protection = var.deletion_protection

  writers = {
    process         = google_service_account.process.member
    dlq-reprocess   = module.dlq_reprocess.member
    daily-aggregate = module.daily_aggregate.member
    ml-trigger      = module.ml_trigger.member
  }

  readers = {
    process         = google_service_account.process.member
    replay          = google_service_account.replay.member
    dlq-reprocess   = module.dlq_reprocess.member
    daily-aggregate = module.daily_aggregate.member
    ml-trigger      = module.ml_trigger.member
    dashboard       = module.dashboard.member
  }
}

locals {
  # As QUESTLINE_WAREHOUSE names it. The module's output says the same, but waits for the rights of
  # the very functions that are told.
  warehouse = "bigquery:${var.project}.${replace(var.prefix, "-", "_")}"
}

# The tables of sql/, in BigQuery, and what each function may do with them.

module "warehouse" {
  source              = "../modules/warehouse"
  project             = google_project_service.api["bigquery"].project
  location            = var.google.location
  dataset_id          = replace(var.prefix, "-", "_")
  deletion_protection = var.deletion_protection
  writers             = { for name, account in google_service_account.function : name => account.member if name != "dashboard" }
  readers             = { for name, account in google_service_account.function : name => account.member }
}

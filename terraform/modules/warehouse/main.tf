# The warehouse: dataset, tables and views as sql/ defines them, and who may write which table.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

locals {
  _defined = jsondecode(file("${path.module}/../../tables.json"))
  _views   = local._defined.views

  # sql/*/metadata.yaml says who writes a table; nobody else gets the right to.
  _writers = merge([
    for writer, member in var.writers : {
      for name, table in local._defined.tables : "${writer}/${name}" => { table = name, member = member }
      if can(regex("(^|[^-\\w])${writer}([^-\\w]|$)", table.written_by))
    }
  ]...)
}

resource "google_bigquery_dataset" "analytics" {
  project                    = var.project
  dataset_id                 = var.dataset_id
  location                   = var.location
  description                = "Game events, their metrics and their ledger"
  delete_contents_on_destroy = false
  max_time_travel_hours      = "168"
}

resource "google_bigquery_table" "table" {
  for_each                 = local._defined.tables
  project                  = var.project
  dataset_id               = google_bigquery_dataset.analytics.dataset_id
  table_id                 = each.key
  description              = each.value.description
  schema                   = jsonencode(each.value.schema)
  clustering               = length(each.value.cluster) > 0 ? each.value.cluster : null
  require_partition_filter = each.value.require_filter ? true : null
  deletion_protection      = var.deletion_protection

  dynamic "time_partitioning" {
    for_each = each.value.partition == null ? [] : [each.value.partition]
    content {
      field         = time_partitioning.value.field
      type          = time_partitioning.value.type
      expiration_ms = each.value.expiration_days == null ? null : each.value.expiration_days * 86400000
    }
  }
}

# A view can only be made once what it reads is there.
module "views_1" {
  source              = "../views"
  dataset             = { project = var.project, id = google_bigquery_dataset.analytics.dataset_id }
  deletion_protection = var.deletion_protection
  views               = { for name, view in local._views : name => view if view.depth == 1 }
  depends_on          = [google_bigquery_table.table]
}

module "views_2" {
  source              = "../views"
  dataset             = { project = var.project, id = google_bigquery_dataset.analytics.dataset_id }
  deletion_protection = var.deletion_protection
  views               = { for name, view in local._views : name => view if view.depth == 2 }
  depends_on          = [module.views_1]
}

module "views_3" {
  source              = "../views"
  dataset             = { project = var.project, id = google_bigquery_dataset.analytics.dataset_id }
  deletion_protection = var.deletion_protection
  views               = { for name, view in local._views : name => view if view.depth == 3 }
  depends_on          = [module.views_2]
}

resource "google_bigquery_table_iam_member" "writer" {
  for_each   = local._writers
  project    = var.project
  dataset_id = google_bigquery_dataset.analytics.dataset_id
  table_id   = google_bigquery_table.table[each.value.table].table_id
  role       = "roles/bigquery.dataEditor"
  member     = each.value.member
}

resource "google_bigquery_dataset_iam_member" "reader" {
  for_each   = var.readers
  project    = var.project
  dataset_id = google_bigquery_dataset.analytics.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
}

# Whoever queries, or writes through a query, starts jobs: a right of the project.
resource "google_project_iam_member" "jobs" {
  for_each = var.readers
  project  = var.project
  role     = "roles/bigquery.jobUser"
  member   = each.value
}

# Views of one depth: they read tables, and views of lesser depth only.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

variable "dataset" {
  description = "Project and dataset of the views and of what they read."
  type        = object({ project = string, id = string })
}

variable "deletion_protection" {
  description = "Whether a view may only be removed on purpose."
  type        = bool
}

variable "views" {
  description = "Views by name, as ../../tables.json has them."
  type        = any
}

locals {
  _name = "${var.dataset.project}.${var.dataset.id}"
}

resource "google_bigquery_table" "view" {
  for_each            = var.views
  project             = var.dataset.project
  dataset_id          = var.dataset.id
  table_id            = each.key
  description         = each.value.description
  deletion_protection = var.deletion_protection

  dynamic "view" {
    for_each = each.value.materialized ? [] : [each.value.query]
    content {
      query          = replace(view.value, "{dataset}", local._name)
      use_legacy_sql = false
    }
  }

  dynamic "materialized_view" {
    for_each = each.value.materialized ? [each.value.query] : []
    content {
      query = replace(materialized_view.value, "{dataset}", local._name)
    }
  }

  dynamic "time_partitioning" {
    for_each = each.value.materialized && each.value.partition != null ? [each.value.partition] : []
    content {
      field = time_partitioning.value.field
      type  = time_partitioning.value.type
    }
  }

  clustering = each.value.materialized && length(each.value.cluster) > 0 ? each.value.cluster : null
}

output "made" {
  description = "The views, by name."
  value       = google_bigquery_table.view
}

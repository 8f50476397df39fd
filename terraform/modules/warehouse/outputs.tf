output "dataset" {
  description = "The dataset as QUESTLINE_WAREHOUSE names it."
  value       = "bigquery:${var.project}.${google_bigquery_dataset.analytics.dataset_id}"

  # Whoever starts with it finds every table and view made.
  depends_on = [module.views_3, google_bigquery_table_iam_member.writer]
}

output "readers" {
  description = "Who may read every table."
  value       = keys(var.readers)
}

output "tables" {
  description = "Every table and view, by name."
  value = merge(
    google_bigquery_table.table,
    module.views_1.made,
    module.views_2.made,
    module.views_3.made,
  )
}

output "writers" {
  description = "Who may write which table, as FUNCTION/TABLE."
  value       = keys(local._writers)
}

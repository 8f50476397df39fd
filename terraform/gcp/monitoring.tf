# What is looked at besides alerts: a call from outside every minute, and one page of graphs.

resource "google_monitoring_uptime_check_config" "ingest" {
  display_name = "${var.prefix}-ingest"
  timeout      = "10s"
  period       = "60s"

  http_check {
    # Google keeps some paths that end in z for itself.
    path         = "/ready"
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project
      host       = trimprefix(module.ingest.uri, "https://")
    }
  }

  depends_on = [google_project_service.api]
}

locals {
  # The five pictures of health: title, unit, and PromQL.
  _graphs = [
    { title = "Events a second", unit = "1/s", query = "sum by (outcome) (rate(questline_ingest_events_total[5m]))" },
    { title = "Events waiting", unit = "1", query = "max(questline_process_lag)" },
    { title = "Dead letters, share", unit = "1", query = "sum(rate(questline_process_records_total{outcome=\"dead_lettered\"}[5m])) / sum(rate(questline_process_records_total[5m]))" },
    { title = "Events of 24 hours", unit = "1", query = "sum(increase(questline_process_records_total{outcome=\"accepted\"}[24h]))" },
    { title = "Dead letters by reason", unit = "1/s", query = "sum by (reason) (rate(questline_process_dead_letters_total[5m]))" },
    { title = "Seconds of a batch, 95 of 100", unit = "s", query = "histogram_quantile(0.95, sum by (le, phase) (rate(questline_process_duration_seconds_bucket[5m])))" },
  ]
}

resource "google_monitoring_dashboard" "health" {
  dashboard_json = jsonencode({
    displayName = "${var.prefix}: health"
    mosaicLayout = {
      columns = 48
      tiles = [for at, graph in local._graphs : {
        xPos   = (at % 2) * 24
        yPos   = floor(at / 2) * 16
        width  = 24
        height = 16
        widget = {
          title = graph.title
          xyChart = {
            dataSets = [{
              plotType = "LINE"
              timeSeriesQuery = {
                prometheusQuery = graph.query
                unitOverride    = graph.unit
              }
            }]
          }
        }
      }]
    }
  })

  depends_on = [google_project_service.api]
}

resource "google_billing_budget" "monthly" {
  count           = var.budget == null ? 0 : 1
  billing_account = var.budget.billing_account
  display_name    = "${var.prefix}: month"

  amount {
    specified_amount {
      units = tostring(var.budget.amount)
    }
  }

  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]
    content {
      threshold_percent = threshold_rules.value
    }
  }

  # Before it is spent: where the month is heading.
  threshold_rules {
    threshold_percent = 1.2
    spend_basis       = "FORECASTED_SPEND"
  }

  # A budget tells five at most.
  dynamic "all_updates_rule" {
    for_each = length(var.alert_emails) == 0 ? [] : [slice(distinct(var.alert_emails), 0, min(5, length(distinct(var.alert_emails))))]
    content {
      monitoring_notification_channels = [for email in all_updates_rule.value : google_monitoring_notification_channel.email[email].id]
    }
  }

  depends_on = [google_project_service.api]
}

# Alerts, rendered from the data that Prometheus and CloudWatch take too; each carries its runbook.

locals {
  alerts = yamldecode(file("${path.module}/../alerts/alerts.yaml")).alerts

  _severity = { critical = "CRITICAL", high = "ERROR", warning = "WARNING" }
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = toset(var.alert_emails)
  type         = "email"
  display_name = each.key
  labels       = { email_address = each.key }
  depends_on   = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "alert" {
  for_each              = local.alerts
  display_name          = each.key
  combiner              = "OR"
  severity              = local._severity[each.value.severity]
  notification_channels = values(google_monitoring_notification_channel.email)[*].name

  conditions {
    display_name = each.value.summary

    condition_prometheus_query_language {
      query               = replace(lookup(each.value, "cloud_monitoring", each.value.expr), "{prefix}", var.prefix)
      duration            = "${each.value.for_minutes * 60}s"
      evaluation_interval = "60s"
      alert_rule          = each.key
      # Before the first event no metric is known, and the policy is to be there all the same.
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = "604800s"
  }

  documentation {
    subject   = "${upper(each.value.severity)}: ${each.value.summary}"
    mime_type = "text/markdown"
    content   = file("${path.module}/../runbooks/${each.key}.md")
  }
}

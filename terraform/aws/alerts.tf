# Alarms, rendered from the data that Prometheus and Cloud Monitoring take too. Where AWS measures the
# thing itself, on its metric; otherwise in PromQL, on what the functions hand over by OTLP.

locals {
  alerts = yamldecode(file("${path.module}/../alerts/alerts.yaml")).alerts

  _native = { for name, alert in local.alerts : name => alert.cloudwatch if can(alert.cloudwatch) }
}

resource "aws_sns_topic" "alerts" {
  name              = "${var.prefix}-alerts"
  kms_master_key_id = aws_kms_key.main.arn
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = toset(var.alert_emails)
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_metric_alarm" "native" {
  for_each           = local._native
  alarm_name         = "${var.prefix}-${each.key}"
  alarm_description  = "${upper(local.alerts[each.key].severity)}: ${local.alerts[each.key].summary}. Runbook: terraform/runbooks/${each.key}.md"
  alarm_actions      = [aws_sns_topic.alerts.arn]
  ok_actions         = [aws_sns_topic.alerts.arn]
  treat_missing_data = "notBreaching"

  namespace   = each.value.namespace
  metric_name = each.value.metric
  statistic   = each.value.statistic
  dimensions = {
    for dimension, value in each.value.dimensions :
    dimension => replace(replace(value, "{prefix}", var.prefix), "{api}", aws_apigatewayv2_api.ingest.id)
  }

  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  period              = 60
  evaluation_periods  = max(1, local.alerts[each.key].for_minutes)
}

resource "aws_cloudwatch_metric_alarm" "promql" {
  for_each            = { for name, alert in local.alerts : name => alert if !can(alert.cloudwatch) }
  alarm_name          = "${var.prefix}-${each.key}"
  alarm_description   = "${upper(each.value.severity)}: ${each.value.summary}. Runbook: terraform/runbooks/${each.key}.md"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
  evaluation_interval = 60

  evaluation_criteria {
    promql_criteria {
      query           = each.value.expr
      pending_period  = each.value.for_minutes * 60
      recovery_period = 300
    }
  }
}

# Every alert of the data is a policy, tells somebody, and carries its runbook.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "some-project"
  alert_emails = ["operator@example.com"]
  budget       = { billing_account = "012345-6789AB-CDEF01", amount = 500 }
}

run "every_alert_has_a_runbook" {
  command = apply

  assert {
    condition = toset([for policy in google_monitoring_alert_policy.alert : policy.display_name]) == toset([
      for path in fileset("${path.module}/../runbooks", "*.md") : trimsuffix(path, ".md") if path != "README.md"
    ])
    error_message = "Alerts and runbooks differ."
  }

  assert {
    condition = alltrue([
      for policy in google_monitoring_alert_policy.alert :
      strcontains(one(policy.documentation).content, "## Mitigation") && length(one(policy.documentation).content) <= 8192
    ])
    error_message = "A policy carries no runbook, or one that is too long."
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.alert : length(policy.notification_channels) == 1])
    error_message = "A policy tells nobody."
  }

  assert {
    condition = { for name, policy in google_monitoring_alert_policy.alert : name => policy.severity } == {
      ConsumerLagHigh     = "CRITICAL"
      DeadLetterRatioHigh = "WARNING"
      ProcessorFailing    = "CRITICAL"
      DailyRunFailed      = "ERROR"
      NoEvents            = "CRITICAL"
      IngestUnreachable   = "CRITICAL"
      ReceiptsDeferred    = "ERROR"
      LedgerResidue       = "CRITICAL"
      BrakePulled         = "ERROR"
      StaleDays           = "WARNING"
      TrainingNotRun      = "ERROR"
    }
    error_message = "An alert has another severity than was agreed."
  }

  assert {
    condition     = !endswith(one(google_monitoring_uptime_check_config.ingest.http_check).path, "z")
    error_message = "Google keeps some paths that end in z for itself: the check from outside would look at Google."
  }

  assert {
    condition     = !strcontains(jsonencode(google_monitoring_alert_policy.alert), "{prefix}")
    error_message = "A query still holds a placeholder."
  }
}

run "a_budget_tells_five_at_most" {
  command = apply

  variables {
    alert_emails = ["a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com", "f@example.com"]
  }

  assert {
    condition     = length(one(google_billing_budget.monthly[0].all_updates_rule).monitoring_notification_channels) == 5
    error_message = "A budget names more channels than it may have."
  }
}

run "a_budget_is_a_whole_number" {
  command = plan

  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 99.5 }
  }

  expect_failures = [var.budget]
}

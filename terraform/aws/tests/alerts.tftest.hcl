# Every alert of the data is an alarm, tells somebody, and names its runbook.

mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  google         = { project = "some-project" }
  kafka_password = "0123456789abcdef"
  subnet_ids     = ["subnet-0a", "subnet-0b", "subnet-0c"]
}

run "every_alert_has_a_runbook" {
  command = apply

  assert {
    condition = toset(concat(keys(aws_cloudwatch_metric_alarm.native), keys(aws_cloudwatch_metric_alarm.told))) == toset([
      for path in fileset("${path.module}/../runbooks", "*.md") : trimsuffix(path, ".md") if path != "README.md"
    ])
    error_message = "Alarms and runbooks differ."
  }

  assert {
    condition = alltrue([
      for name, alarm in merge(aws_cloudwatch_metric_alarm.native, aws_cloudwatch_metric_alarm.told) :
      fileexists("${path.module}/../../${split("Runbook: ", alarm.alarm_description)[1]}") && length(alarm.alarm_actions) == 1 && length(alarm.alarm_description) <= 1024
    ])
    error_message = "An alarm names no runbook, or tells nobody."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.native["ConsumerLagHigh"].threshold == 100000 && aws_cloudwatch_metric_alarm.native["ConsumerLagHigh"].dimensions["Cluster Name"] == "questline"
    error_message = "The alarm on lag looks at something else."
  }

  assert {
    condition = [
      for name, alarm in merge(aws_cloudwatch_metric_alarm.native, aws_cloudwatch_metric_alarm.told) :
      name if alarm.treat_missing_data == "breaching"
    ] == ["NoEvents"]
    error_message = "Silence is to be an alarm where events stop, and nowhere else."
  }

  assert {
    condition = alltrue(flatten([
      for alarm in aws_cloudwatch_metric_alarm.told : [
        # What AWS looks at in one go: a day, or a week in hours.
        alarm.evaluation_periods * one(distinct(flatten([for query in alarm.metric_query : query.metric[*].period]))) <= 86400,
        length([for query in alarm.metric_query : query.id if query.return_data == true]) == 1,
      ]
    ]))
    error_message = "An alarm looks too far back, or at more than one figure."
  }

  assert {
    condition     = !strcontains(jsonencode([aws_cloudwatch_metric_alarm.native, aws_cloudwatch_metric_alarm.told]), "{prefix}") && !strcontains(jsonencode(aws_cloudwatch_metric_alarm.native), "{api}")
    error_message = "An alarm still holds a placeholder."
  }

  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.called :
      name => [alarm.dimensions["FunctionName"], alarm.period, alarm.treat_missing_data]
      } == {
      DailyRunFailed = [module.daily_aggregate.name, 86400, "breaching"]
      TrainingNotRun = [module.ml_trigger.name, 3600, "breaching"]
    }
    error_message = "A schedule that does not call raises no alarm."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.called :
      fileexists("${path.module}/../../${split("Runbook: ", alarm.alarm_description)[1]}") && length(alarm.alarm_actions) == 1
    ])
    error_message = "An alarm of silence names no runbook, or tells nobody."
  }
}

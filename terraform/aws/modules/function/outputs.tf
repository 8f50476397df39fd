output "arn" {
  description = "The alias that takes traffic."
  value       = aws_lambda_alias.live.arn
}

output "function" {
  description = "The function itself."
  value       = aws_lambda_function.function
}

output "invoke_arn" {
  description = "How API Gateway calls the alias."
  value       = aws_lambda_alias.live.invoke_arn
}

output "log_retention" {
  description = "Days that its logs are kept."
  value       = aws_cloudwatch_log_group.function.retention_in_days
}

output "name" {
  description = "The function's name."
  value       = aws_lambda_function.function.function_name
}

output "role" {
  description = "Name of the role it works under."
  value       = aws_iam_role.function.name
}

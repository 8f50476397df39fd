output "email" {
  description = "Address of the function's account."
  value       = google_service_account.function.email
}

output "invokers" {
  description = "Who may call it."
  value       = values(google_cloud_run_v2_service_iam_member.invoker)[*].member
}

output "member" {
  description = "The function's account as an IAM member."
  value       = google_service_account.function.member
}

output "name" {
  description = "The service."
  value       = google_cloud_run_v2_service.function.name
}

output "uri" {
  description = "Where it answers."
  value       = google_cloud_run_v2_service.function.uri
}

output "audience" {
  description = "What tokens of its callers are to be for."
  value       = try(one(google_cloud_run_v2_service.function.custom_audiences), null)
}

output "containers" {
  description = "Names of its containers, each with whether it sleeps between requests."
  value = {
    for container in google_cloud_run_v2_service.function.template[0].containers :
    container.name => one(container.resources).cpu_idle
  }
}

output "email" {
  description = "Address of the function's account."
  value       = google_service_account.function.email
}

output "env" {
  description = "Its environment variables that are no secrets."
  value = {
    for env in google_cloud_run_v2_service.function.template[0].containers[0].env :
    env.name => env.value if length(env.value_source) == 0
  }
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

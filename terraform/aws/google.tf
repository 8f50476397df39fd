# Access to Google without a key: a function's role on AWS stands for an account of Google's, by
# workload identity federation.

locals {
  _google_functions = toset(["process", "dlq-reprocess", "daily-aggregate", "ml-trigger", "dashboard"])

  _pool = "projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${google_iam_workload_identity_pool.aws.workload_identity_pool_id}"

  # Nothing in it is secret: it says where the role's own credentials are exchanged, and for whom.
  google_env = {
    for name in local._google_functions : name => {
      QUESTLINE_GOOGLE_CREDENTIALS = jsonencode({
        type                              = "external_account"
        audience                          = "//iam.googleapis.com/${local._pool}/providers/${google_iam_workload_identity_pool_provider.aws.workload_identity_pool_provider_id}"
        subject_token_type                = "urn:ietf:params:aws:token-type:aws4_request"
        token_url                         = "https://sts.googleapis.com/v1/token"
        service_account_impersonation_url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${google_service_account.function[name].email}:generateAccessToken"
        credential_source = {
          environment_id                 = "aws1"
          regional_cred_verification_url = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
        }
      })
    }
  }
}

resource "google_project_service" "api" {
  for_each           = toset(["aiplatform", "bigquery", "iam", "iamcredentials", "storage", "sts"])
  project            = var.google.project
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}

resource "google_iam_workload_identity_pool" "aws" {
  workload_identity_pool_id = "${var.prefix}-aws"
  display_name              = "Functions on AWS"
  depends_on                = [google_project_service.api]
}

resource "google_iam_workload_identity_pool_provider" "aws" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.aws.workload_identity_pool_id
  workload_identity_pool_provider_id = "account"
  attribute_condition                = "assertion.arn.startsWith('arn:aws:sts::${local.account}:assumed-role/${var.prefix}-')"

  attribute_mapping = {
    "google.subject"     = "assertion.arn"
    "attribute.aws_role" = "assertion.arn.extract('assumed-role/{role}/')"
  }

  aws {
    account_id = local.account
  }
}

resource "google_service_account" "function" {
  for_each     = local._google_functions
  account_id   = "${var.prefix}-${each.key}"
  display_name = "Questline ${each.key}, on AWS"
  depends_on   = [google_project_service.api]
}

resource "google_service_account_iam_member" "function" {
  for_each           = local._google_functions
  service_account_id = google_service_account.function[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${local._pool}/attribute.aws_role/${var.prefix}-${each.key}"
}

terraform {
  # Write-only arguments keep secrets out of the state since 1.11.
  required_version = ">= 1.11"
  required_providers {
    google = { source = "hashicorp/google", version = "~> 8.7" }
  }
}

provider "google" {
  project = var.project
  region  = var.region

  # Whoever signed in as a person is answered 403 where a call, as that for the budget, names no project
  # that it counts for.
  billing_project       = var.project
  user_project_override = true
}

terraform {
  # Write-only arguments keep secrets out of the state since 1.11.
  required_version = ">= 1.11"
  required_providers {
    aws    = { source = "hashicorp/aws", version = "~> 6.69" }
    google = { source = "hashicorp/google", version = "~> 8.7" }
  }
}

provider "aws" {
  region = var.region
}

# The warehouse is BigQuery here too.
provider "google" {
  project = var.google.project
}

data "aws_caller_identity" "this" {}

data "google_project" "this" {
  project_id = var.google.project
}

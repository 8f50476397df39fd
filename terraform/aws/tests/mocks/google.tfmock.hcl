# What Google would compute, where others build on it.

mock_data "google_project" {
  defaults = { number = "123456789012" }
}

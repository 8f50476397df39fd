variable "dataset_id" {
  description = "Name of the dataset."
  type        = string
}

variable "deletion_protection" {
  description = "Whether tables may only be removed on purpose."
  type        = bool
}

variable "location" {
  description = "Where the data lie."
  type        = string
}

variable "project" {
  description = "Project of the dataset."
  type        = string
}

variable "readers" {
  description = "Who may read everything, by the name of the function."
  type        = map(string)
}

variable "writers" {
  description = "Who may write the tables that sql/*/metadata.yaml says the function writes, by its name."
  type        = map(string)
}

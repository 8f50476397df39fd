# Where builds lie.

resource "aws_s3_bucket" "artefacts" {
  #checkov:skip=CKV_AWS_18:Builds alone lie here; who wrote them is in CloudTrail
  #checkov:skip=CKV_AWS_144:A build can be made again
  #checkov:skip=CKV2_AWS_62:Nobody waits for a build to arrive
  bucket = "${var.prefix}-artefacts-${local.account}-${var.region}"
}

resource "aws_s3_bucket_public_access_block" "artefacts" {
  bucket                  = aws_s3_bucket.artefacts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "artefacts" {
  bucket = aws_s3_bucket.artefacts.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artefacts" {
  bucket = aws_s3_bucket.artefacts.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.main.arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "artefacts" {
  bucket = aws_s3_bucket.artefacts.id
  rule {
    id     = "old-builds"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 90
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

# A first apply works before anything is built: this bootstrap says so and ends with 1.
resource "aws_s3_object" "nothing_yet" {
  bucket         = aws_s3_bucket.artefacts.id
  key            = "nothing-yet.zip"
  content_base64 = "UEsDBBQAAAAAAAAAIVqvg/2LRAAAAEQAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmVjaG8gIm5vdGhpbmcgaXMgZGVwbG95ZWQgeWV0OiBzY3JpcHRzL2RlcGxveSIgPiYyCmV4aXQgMQpQSwECFAMUAAAAAAAAACFar4P9i0QAAABEAAAACQAAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAAGsAAAAAAA=="
  depends_on     = [aws_s3_bucket_server_side_encryption_configuration.artefacts]
}

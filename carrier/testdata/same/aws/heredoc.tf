locals {
  host = replace("https://gitlab.com", "https://", "")
}

resource "aws_iam_role" "ci" {
  name               = "ci"
  assume_role_policy = <<-JSON
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Effect": "Allow",
          "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/${local.host}"},
          "Action": "sts:AssumeRoleWithWebIdentity",
          "Condition": {
            "StringEquals": {"${local.host}:aud": "https://gitlab.com"},
            "StringLike": {"${local.host}:sub": ["project_path:acme/app:ref_type:branch:ref:main", "project_path:acme/app:ref_type:tag:ref:v*"]}
          }
        }
      ]
    }
  JSON
}

resource "aws_iam_openid_connect_provider" "gitlab" {
  url            = "https://gitlab.example.com"
  client_id_list = ["https://vault.example.com"]
}

resource "aws_iam_role" "deploy" {
  name = "deploy"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/gitlab.example.com" }
      Condition = {
        StringLike   = { "gitlab.example.com:sub" = "project_path:acme/*:ref_type:branch:ref:main" }
        StringEquals = { "gitlab.example.com:ref_protected" = "true" }
      }
    }]
  })
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = ["arn:aws:iam::123456789012:oidc-provider/${aws_iam_openid_connect_provider.gitlab.url}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${aws_iam_openid_connect_provider.gitlab.url}:aud"
      values   = ["https://gitlab.com"]
    }
    dynamic "condition" {
      for_each = ["branch:ref:main", "tag:ref:v*"]
      iterator = ref
      content {
        test     = "StringLike"
        variable = "gitlab.com:sub"
        values   = ["project_path:acme/app:ref_type:${ref.value}"]
      }
    }
  }
}

resource "aws_iam_openid_connect_provider" "gitlab" {
  url            = "gitlab.com"
  client_id_list = ["https://gitlab.com"]
}

resource "aws_iam_role" "ci" {
  name               = "ci"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "vault_generic_endpoint" "deploy" {
  path = "auth/jwt/role/deploy"
  data_json = jsonencode({
    role_type         = "jwt"
    user_claim        = "sub"
    bound_audiences   = ["https://vault.example.com"]
    bound_claims_type = "glob"
    bound_claims      = { project_path = "acme/app", ref = "main,release/*" }
    token_policies    = ["deploy"]
    token_ttl         = 900
  })
}

environment = "production"
projects = {
  web = { subject = "acme/web", ref = "release" }
  app = { subject = "acme/app" }
}

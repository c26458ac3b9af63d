package trustcheck.trust

import data.trustcheck.platform.aws
import data.trustcheck.platform.azure
import data.trustcheck.platform.gcp
import data.trustcheck.platform.vault

# METADATA
# description: |
#   Conditions which only their platform can test, one line for each platform. Such
#   a test gives satisfied, failed or unknown, and tells the analysis how to take
#   it through the condition's own `analysis` member.
# scope: document
platform_test("vault", condition) := vault.test(condition.name, condition)

platform_test("aws", condition) := aws.test(condition.name, condition)

platform_test("azure", condition) := azure.test(condition.name, condition)

platform_test("gcp", condition) := gcp.test(condition.name, condition)

# METADATA
# description: |
#   What a platform tells of a condition that has `tells`, where only a token can: `got`,
#   `message` and `assumption`.
# scope: document
platform_tells("aws", condition) := aws.tells(condition)

platform_tells("azure", condition) := azure.tells(condition)

platform_tells("gcp", condition) := gcp.tells(condition)

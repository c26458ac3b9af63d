// Package verifier answers who said this: it turns a compact JWT into a verified
// [Token], or into every reason why not.
//
// # What it stands on
//
// github.com/coreos/go-oidc gives discovery, the KeySet seam and a second
// opinion on every token that is admitted. By itself it is not strict enough to
// stand before a trust decision: it reads claim names without regard to case,
// takes times that overflow, never forgets a withdrawn key, and asks the issuer
// once for every bad signature. So our own checks come first, and a token that
// go-oidc refuses or reads differently is refused with the code disagreement.
//
// # One reading
//
// Header and claims are read once, in one pass, into the value that policies are
// evaluated on ([Claims]). A verifier and a policy that read a token each for
// itself can be shown two different tokens: `{"iss":"https://good","ISS":
// "https://evil"}` is the simplest. What two readers could take differently is
// therefore refused: members of one name at any depth, claims named like a
// registered one but for the case of letters (the long s and the Kelvin sign
// included), texts that are not UTF-8, anything before or after the object,
// base64url that is not canonical. Numbers keep their spelling.
//
// # Order
//
// The token is taken apart; its header must name an allowed algorithm and its
// claims a configured issuer before any key is looked at. Keys named or brought
// along by the token itself (jwk, jku, x5u, x5c) are never looked at. All faults
// are reported, not the first; only what cannot be known is left out: without a
// readable header there is no word on the signature.
//
// # Times
//
// exp, nbf and iat are compared as decimals, so that nothing overflows or is
// rounded, and must lie between 1970 and the end of the year 9999. One leeway,
// [DefaultLeeway] unless configured, holds for all three. A token has expired
// when now is at exp plus leeway; it is valid from nbf minus leeway on, that
// moment included.
//
// # Keys
//
// A [KeySource] has the keys: [JWKS] is a fixed set, [Remote] fetches one, by
// its URL or by discovery, and keeps it fresh. A key serves one algorithm where
// it names one, and only keys that could have been made for signing: a key of
// another use, a weak, private or symmetric one, or one that cannot be read is
// left out with a warning and spoils no other. A token without kid is checked
// only if exactly one key fits its algorithm.
//
// Tokens, which anybody can send, cause few requests to an issuer: only a token
// that nothing is known against and whose kid is new may cause one, three a
// minute at most. When an issuer cannot be reached its last good keys serve on
// until they are too old; then, and for a kid nobody has seen, the answer is
// [Unavailable]: not that the token is bad, but that nobody can tell.
//
// # What it does not do
//
// It decrypts nothing. It keeps no list of used tokens: jti is for its caller.
// It does not fetch distributed claims. It does not ask whether a key or token
// was revoked, other than by the issuer's taking the key out of its set.
//
// # Codes
//
// Every objection has one of these codes. They do not change between versions;
// messages do. Neither holds any part of the token.
//
//	not_a_jwt                 not three parts separated by dots
//	too_large                 longer than 16 KiB, or a header longer than 4 KiB
//	unsupported_serialization a JWS in JSON serialization; only the compact one is read
//	encrypted                 five parts: a JWE, which is never decrypted
//	bad_encoding              a part is not canonical base64url: padding, white space, another alphabet, bits left over
//	bad_json                  header or claims are not JSON
//	not_an_object             header or claims are JSON, but no object
//	trailing_data             something follows the JSON object
//	byte_order_mark           a byte order mark stands before the JSON text
//	bad_utf8                  a text in header or claims is not UTF-8
//	lone_surrogate            an escape names half of a surrogate pair
//	too_deep                  JSON nested deeper than 32 levels
//	too_many_members          more than 1,000 members in one JSON text
//	number_too_long           a number of more than 64 digits
//	number_too_big            a number whose exponent has more than four digits
//	duplicate_member          an object, at any depth, has two members of one name
//	ambiguous_claim           a claim is named like a registered claim but for the case of letters
//	ambiguous_header          a header parameter is named like a registered one but for the case of letters
//	missing_algorithm         the header has no alg
//	unsupported_algorithm     alg is none, symmetric, unknown, not a text, or not configured
//	critical_header           the header has crit; no extension is understood
//	unencoded_payload         the header has b64, which RFC 7797 forbids in a JWT
//	bad_header                typ or cty is not a text
//	bad_key_id                kid is not a text, or longer than 1,024 bytes
//	unknown_key               the issuer has no key of this kid
//	no_usable_key             no kid, and no key of the issuer fits the algorithm; or no key can be used at all
//	ambiguous_key             several keys fit the algorithm and no kid tells which; or more than four of the kid do
//	algorithm_mismatch        the key of this kid is not for this algorithm, or cannot be used
//	bad_signature             the signature does not verify
//	disagreement              go-oidc, asked for a second opinion, refused or read the token differently
//	missing_issuer            no iss
//	bad_issuer                iss is not a text
//	wrong_issuer              iss is none of the configured issuers, code point for code point
//	bad_subject               sub is not a text
//	missing_audience          no aud
//	bad_audience              aud is neither a text nor a list of texts with at least one
//	wrong_audience            aud names none of the configured audiences
//	missing_expiry            no exp
//	expired                   now is at or after exp plus the leeway
//	not_yet_valid             now plus the leeway is before nbf
//	missing_issued_at         no iat, though a maximum age or lifetime is configured
//	issued_in_future          now plus the leeway is before iat
//	too_old                   iat is longer ago than the maximum age plus the leeway
//	lifetime_too_long         exp is further from iat than the maximum lifetime
//	bad_time                  exp, nbf or iat is not a number of seconds between 0 and the end of year 9999
package verifier

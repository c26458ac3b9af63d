package verifier

import (
	"fmt"
	"strings"

	"github.com/trustcheck/trustcheck"
)

// The codes of every objection to a token. They are part of the interface: a
// code is never renamed and never changes its meaning. Codes lists them with an
// explanation each.
const (
	// The text as a whole.
	NotAJWT                  = "not_a_jwt"
	TooLarge                 = "too_large"
	UnsupportedSerialization = "unsupported_serialization"
	Encrypted                = "encrypted"
	BadEncoding              = "bad_encoding"

	// Header and claims as JSON.
	BadJSON         = "bad_json"
	NotAnObject     = "not_an_object"
	TrailingData    = "trailing_data"
	ByteOrderMark   = "byte_order_mark"
	BadUTF8         = "bad_utf8"
	LoneSurrogate   = "lone_surrogate"
	TooDeep         = "too_deep"
	TooManyMembers  = "too_many_members"
	NumberTooLong   = "number_too_long"
	NumberTooBig    = "number_too_big"
	DuplicateMember = "duplicate_member"
	AmbiguousClaim  = "ambiguous_claim"
	AmbiguousHeader = "ambiguous_header"

	// The header.
	MissingAlgorithm     = "missing_algorithm"
	UnsupportedAlgorithm = "unsupported_algorithm"
	CriticalHeader       = "critical_header"
	UnencodedPayload     = "unencoded_payload"
	BadHeader            = "bad_header"
	BadKeyID             = "bad_key_id"

	// The key and the signature.
	UnknownKey        = "unknown_key"
	NoUsableKey       = "no_usable_key"
	AmbiguousKey      = "ambiguous_key"
	AlgorithmMismatch = "algorithm_mismatch"
	BadSignature      = "bad_signature"
	Disagreement      = "disagreement"

	// The claims.
	MissingIssuer   = "missing_issuer"
	BadIssuer       = "bad_issuer"
	WrongIssuer     = "wrong_issuer"
	BadSubject      = "bad_subject"
	MissingAudience = "missing_audience"
	BadAudience     = "bad_audience"
	WrongAudience   = "wrong_audience"
	MissingExpiry   = "missing_expiry"
	Expired         = "expired"
	NotYetValid     = "not_yet_valid"
	MissingIssuedAt = "missing_issued_at"
	IssuedInFuture  = "issued_in_future"
	TooOld          = "too_old"
	LifetimeTooLong = "lifetime_too_long"
	BadTime         = "bad_time"
)

// Code is one row of the table of codes.
type Code struct {
	Code    string
	Meaning string
}

// Codes returns every code with what it means, in the order in which a token is
// examined. The table in the package documentation is this one.
func Codes() []Code {
	return []Code{
		{NotAJWT, "not three parts separated by dots"},
		{TooLarge, "longer than 16 KiB, or a header longer than 4 KiB"},
		{UnsupportedSerialization, "a JWS in JSON serialization; only the compact one is read"},
		{Encrypted, "five parts: a JWE, which is never decrypted"},
		{BadEncoding, "a part is not canonical base64url: padding, white space, another alphabet, bits left over"},
		{BadJSON, "header or claims are not JSON"},
		{NotAnObject, "header or claims are JSON, but no object"},
		{TrailingData, "something follows the JSON object"},
		{ByteOrderMark, "a byte order mark stands before the JSON text"},
		{BadUTF8, "a text in header or claims is not UTF-8"},
		{LoneSurrogate, "an escape names half of a surrogate pair"},
		{TooDeep, "JSON nested deeper than 32 levels"},
		{TooManyMembers, "more than 1,000 members in one JSON text"},
		{NumberTooLong, "a number of more than 64 digits"},
		{NumberTooBig, "a number whose exponent has more than four digits"},
		{DuplicateMember, "an object, at any depth, has two members of one name"},
		{AmbiguousClaim, "a claim is named like a registered claim but for the case of letters"},
		{AmbiguousHeader, "a header parameter is named like a registered one but for the case of letters"},
		{MissingAlgorithm, "the header has no alg"},
		{UnsupportedAlgorithm, "alg is none, symmetric, unknown, not a text, or not configured"},
		{CriticalHeader, "the header has crit; no extension is understood"},
		{UnencodedPayload, "the header has b64, which RFC 7797 forbids in a JWT"},
		{BadHeader, "typ or cty is not a text"},
		{BadKeyID, "kid is not a text, or longer than 1,024 bytes"},
		{UnknownKey, "the issuer has no key of this kid"},
		{NoUsableKey, "no kid, and no key of the issuer fits the algorithm; or no key can be used at all"},
		{AmbiguousKey, "several keys fit the algorithm and no kid tells which; or more than four of the kid do"},
		{AlgorithmMismatch, "the key of this kid is not for this algorithm, or cannot be used"},
		{BadSignature, "the signature does not verify"},
		{Disagreement, "go-oidc, asked for a second opinion, refused or read the token differently"},
		{MissingIssuer, "no iss"},
		{BadIssuer, "iss is not a text"},
		{WrongIssuer, "iss is none of the configured issuers, code point for code point"},
		{BadSubject, "sub is not a text"},
		{MissingAudience, "no aud"},
		{BadAudience, "aud is neither a text nor a list of texts with at least one"},
		{WrongAudience, "aud names none of the configured audiences"},
		{MissingExpiry, "no exp"},
		{Expired, "now is at or after exp plus the leeway"},
		{NotYetValid, "now plus the leeway is before nbf"},
		{MissingIssuedAt, "no iat, though a maximum age or lifetime is configured"},
		{IssuedInFuture, "now plus the leeway is before iat"},
		{TooOld, "iat is longer ago than the maximum age plus the leeway"},
		{LifetimeTooLong, "exp is further from iat than the maximum lifetime"},
		{BadTime, "exp, nbf or iat is not a number of seconds between 0 and the end of year 9999"},
	}
}

// Refusal is the error for a token that is bad, with all its faults. Neither
// codes nor messages hold any part of the token.
type Refusal struct {
	Reasons []trustcheck.TokenReason
}

// Error lists the codes.
func (r *Refusal) Error() string {
	codes := make([]string, len(r.Reasons))
	for i, reason := range r.Reasons {
		codes[i] = reason.Code
	}
	return "token refused: " + strings.Join(codes, ", ")
}

// Has reports whether the refusal gives this code.
func (r *Refusal) Has(code string) bool {
	for _, reason := range r.Reasons {
		if reason.Code == code {
			return true
		}
	}
	return false
}

// Unavailable is the error when nothing is known against the token, but its
// issuer's keys could not be had: the question is open, not answered.
type Unavailable struct {
	Issuer string
	Err    error
}

// Error names the issuer and what went wrong.
func (u *Unavailable) Error() string {
	return fmt.Sprintf("keys of issuer %q unavailable: %v", u.Issuer, u.Err)
}

// Unwrap returns what went wrong.
func (u *Unavailable) Unwrap() error { return u.Err }

func reason(code, format string, args ...any) trustcheck.TokenReason {
	return trustcheck.TokenReason{Code: code, Message: fmt.Sprintf(format, args...)}
}

package vault

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
	"github.com/hashicorp/go-sockaddr"
	"github.com/mitchellh/mapstructure"
)

// A decoder reads one field of a write as Vault's framework does; nil stands for a null.
// Source: vault/sdk framework/field_data.go getPrimitive.
type decoder func(raw any) (any, error)

// The fields of a role, by name. Source: vault-plugin-auth-jwt v0.26.3 path_role.go and
// vault/sdk helper/tokenutil.
var roleFields = map[string]decoder{
	"role_type":               text,
	"bound_audiences":         texts,
	"bound_subject":           text,
	"bound_claims":            object,
	"bound_claims_type":       text,
	"claim_mappings":          pairs,
	"user_claim":              text,
	"user_claim_json_pointer": flag,
	"groups_claim":            text,
	"clock_skew_leeway":       signedSeconds,
	"expiration_leeway":       signedSeconds,
	"not_before_leeway":       signedSeconds,
	"allowed_redirect_uris":   texts,
	"oidc_scopes":             texts,
	"verbose_oidc_logging":    flag,
	"max_age":                 seconds,
	"policies":                texts,
	"bound_cidrs":             texts,
	"num_uses":                integer,
	"ttl":                     seconds,
	"max_ttl":                 seconds,
	"period":                  seconds,
	"token_bound_cidrs":       texts,
	"token_explicit_max_ttl":  seconds,
	"token_max_ttl":           seconds,
	"token_no_default_policy": flag,
	"token_period":            seconds,
	"token_policies":          texts,
	"token_type":              text,
	"token_ttl":               seconds,
	"token_num_uses":          integer,
	"alias_metadata":          pairs,
}

// The fields of the auth method's configuration that a login depends on.
// Source: vault-plugin-auth-jwt v0.26.3 path_config.go.
var configFields = map[string]decoder{
	"oidc_discovery_url":     text,
	"oidc_discovery_ca_pem":  text,
	"oidc_client_id":         text,
	"oidc_client_secret":     text,
	"oidc_response_mode":     text,
	"oidc_response_types":    texts,
	"jwks_url":               text,
	"jwks_ca_pem":            text,
	"jwks_pairs":             list,
	"default_role":           text,
	"jwt_validation_pubkeys": texts,
	"jwt_supported_algs":     texts,
	"bound_issuer":           text,
	"provider_config":        object,
	"namespace_in_state":     flag,
}

// decode reads a role as Vault does and returns what the Rego reads as input.document:
//
//   - role: the role as Vault stores it, every field that the Rego asks for given;
//   - unreadable: why a field could not be read;
//   - upgraded: the durations that count where older names are used;
//   - networks, host_names, unloadable, cidr_errors: see addresses;
//   - spellings: see there; selectors: see there.
func decode(body map[string]any) map[string]any {
	role := map[string]any{
		"role_type": "", "bound_audiences": []any{}, "bound_subject": "", "bound_claims": map[string]any{},
		"bound_claims_type": "string", "claim_mappings": map[string]any{}, "user_claim": "",
		"user_claim_json_pointer": false, "groups_claim": "", "clock_skew_leeway": 0, "expiration_leeway": 0,
		"not_before_leeway": 0, "allowed_redirect_uris": []any{}, "token_bound_cidrs": []any{}, "token_policies": []any{},
		"token_type": "", "token_ttl": 0, "token_max_ttl": 0, "token_period": 0, "token_num_uses": 0,
	}
	document := map[string]any{"role": role, "cidr_errors": map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		decoded, err := decodeField(name, body[name])
		if err != nil {
			document["unreadable"] = err.Error()
			continue
		}
		if decoded != nil {
			role[name] = decoded
		}
	}
	if role["role_type"] == "" {
		role["role_type"] = "oidc"
	}
	addresses(document, role, "token_bound_cidrs")
	upgrade(document, role, body)
	document["spellings"] = spellings(role["bound_claims"])
	document["selectors"] = selectors(role)
	return document
}

// spellings gives, for every bound claim, the spelling of each bound value that is a
// number and null for the others. Vault compares spellings; values of Rego that are equal
// numbers are one value, and 22.0 would be forgotten beside 22.
func spellings(boundClaims any) map[string]any {
	claims, _ := boundClaims.(map[string]any)
	all := make(map[string]any, len(claims))
	for claim, wanted := range claims {
		values, isList := wanted.([]any)
		if !isList {
			values = []any{wanted}
		}
		spelled := make([]any, len(values))
		for i, value := range values {
			if number, ok := value.(json.Number); ok {
				spelled[i] = number.String()
			}
		}
		all[claim] = spelled
	}
	return all
}

func decodeField(name string, raw any) (any, error) {
	read, known := roleFields[name]
	if !known {
		return nil, nil
	}
	decoded, err := read(raw)
	if err != nil {
		return nil, fmt.Errorf("error converting input for field %q: %w", name, err)
	}
	return decoded, nil
}

// upgrade applies the older names of fields where the newer ones are not given.
// Source: vault/sdk helper/tokenutil UpgradeValue.
func upgrade(document, role, body map[string]any) {
	upgraded := map[string]any{}
	for _, field := range []string{"ttl", "max_ttl", "period"} {
		upgraded[field] = role["token_"+field]
		if older, given := role[field]; given && !has(body, "token_"+field) {
			upgraded[field] = older
		}
	}
	document["upgraded"] = upgraded
	if older, given := role["policies"]; given && !has(body, "token_policies") {
		role["token_policies"] = older
	}
	if older, given := role["bound_cidrs"]; given && !has(body, "token_bound_cidrs") {
		role["token_bound_cidrs"] = older
		addresses(document, role, "bound_cidrs")
	}
}

func has(body map[string]any, field string) bool {
	_, given := body[field]
	return given
}

// addresses reads the entries of token_bound_cidrs, which came under the name given.
// `networks` holds those that a caller can lie in, `cidr_errors` why one cannot be read, by
// that name. A host name, which Vault would look up, is listed in `host_names`; an entry
// that Vault stores but cannot load again is `unloadable`.
func addresses(document, role map[string]any, given string) {
	entries, _ := role["token_bound_cidrs"].([]any)
	networks, names := []any{}, []any{}
	for _, entry := range entries {
		spelled, _ := entry.(string)
		if needsLookup(spelled) {
			names = append(names, spelled)
			continue
		}
		parsed, err := parseutil.ParseAddrs([]any{entry})
		if err != nil {
			document["cidr_errors"].(map[string]any)[given] = err.Error()
			break
		}
		if err := reload(parsed[0]); err != nil {
			document["unloadable"] = err.Error()
		}
		if text := network(parsed[0].SockAddr); text != "" {
			networks = append(networks, text)
		}
	}
	document["networks"], document["host_names"] = networks, names
}

// reload stores an address as Vault does and loads it again.
func reload(address *sockaddr.SockAddrMarshaler) error {
	stored, err := json.Marshal(address)
	if err != nil {
		return err
	}
	return json.Unmarshal(stored, &sockaddr.SockAddrMarshaler{})
}

// needsLookup tells a host name with a port, which go-sockaddr resolves over the network.
func needsLookup(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return false
	}
	_, err = netip.ParseAddr(host)
	return err != nil
}

// decodeConfig reads the auth method's configuration; a field that Vault could not read is
// named in "unreadable".
func decodeConfig(body map[string]any) map[string]any {
	config := map[string]any{
		"oidc_discovery_url": "", "oidc_client_id": "", "oidc_client_secret": "", "oidc_response_mode": "",
		"oidc_response_types": []any{}, "jwks_url": "", "jwks_ca_pem": "", "jwks_pairs": []any{}, "bound_issuer": "",
		"jwt_supported_algs": []any{}, "jwt_validation_pubkeys": []any{}, "default_role": "",
		"provider_config": map[string]any{},
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		read, known := configFields[name]
		if !known {
			continue
		}
		decoded, err := read(body[name])
		if err != nil {
			config["unreadable"] = fmt.Sprintf("error converting input for field %q: %v", name, err)
		} else if decoded != nil {
			config[name] = decoded
		}
	}
	if why := badPEM(config); why != "" {
		config["bad_pem"] = why
	}
	return config
}

// badPEM says which certificate or key of the configuration cannot be parsed.
func badPEM(config map[string]any) string {
	for field, source := range map[string]string{"oidc_discovery_ca_pem": "oidc_discovery_url", "jwks_ca_pem": "jwks_url"} {
		given, _ := config[field].(string)
		if given != "" && config[source] != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(given)) {
			return "error checking " + field
		}
	}
	keys, _ := config["jwt_validation_pubkeys"].([]any)
	for _, key := range keys {
		given, _ := key.(string)
		if !isPublicKey(given) {
			return "error parsing public key: data does not contain any valid public keys"
		}
	}
	return ""
}

func isPublicKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	if _, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		return true
	}
	_, err := x509.ParseCertificate(block.Bytes)
	return err == nil
}

func text(raw any) (any, error) {
	var result string
	err := mapstructure.WeakDecode(raw, &result)
	return result, err
}

func flag(raw any) (any, error) {
	var result bool
	err := mapstructure.WeakDecode(raw, &result)
	return result, err
}

func integer(raw any) (any, error) {
	var result int
	err := mapstructure.WeakDecode(raw, &result)
	return result, err
}

func texts(raw any) (any, error) {
	result, err := parseutil.ParseCommaStringSlice(raw)
	return untyped(result), err
}

func list(raw any) (any, error) {
	var result []any
	err := mapstructure.WeakDecode(raw, &result)
	if result == nil {
		result = []any{}
	}
	return result, err
}

func object(raw any) (any, error) {
	var result map[string]any
	err := mapstructure.WeakDecode(raw, &result)
	if result == nil {
		result = map[string]any{}
	}
	return result, err
}

// pairs reads a map of texts, or a list of texts of the form key=value.
func pairs(raw any) (any, error) {
	var byKey map[string]string
	if mapstructure.WeakDecode(raw, &byKey) != nil {
		var entries []string
		if err := mapstructure.WeakDecode(raw, &entries); err != nil {
			return nil, err
		}
		byKey = make(map[string]string, len(entries))
		for _, entry := range entries {
			key, value, ok := strings.Cut(entry, "=")
			if !ok || key == "" {
				return nil, fmt.Errorf("invalid key pair %q", entry)
			}
			byKey[key] = value
		}
	}
	result := make(map[string]any, len(byKey))
	for key, value := range byKey {
		result[key] = value
	}
	return result, nil
}

// signedSeconds reads a duration in whole seconds; nil for a null, which leaves it unset.
func signedSeconds(raw any) (any, error) {
	if raw == nil {
		return nil, nil
	}
	duration, err := parseutil.ParseDurationSecond(raw)
	if err != nil {
		return nil, err
	}
	return int(duration.Seconds()), nil
}

func seconds(raw any) (any, error) {
	duration, err := signedSeconds(raw)
	if whole, ok := duration.(int); ok && whole < 0 {
		return nil, fmt.Errorf("cannot provide negative value '%d'", whole)
	}
	return duration, err
}

func untyped(values []string) []any {
	result := make([]any, len(values))
	for i, value := range values {
		result[i] = value
	}
	return result
}

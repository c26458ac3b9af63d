package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	"github.com/hashicorp/vault/sdk/logical"
)

// maxLease is a mount's longest lease in a Vault that nobody tuned.
const maxLease = 768 * time.Hour

// algs are those of an empty jwt_supported_algs, cheapest signature first.
var algs = []string{"EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

// Oracle is one mount of the real plugin. It answers one case at a time.
type Oracle struct {
	t       *testing.T
	keys    *keys
	backend logical.Backend
	storage logical.Storage
	config  map[string]any // as last written, before keys were put in
	written bool
}

// New mounts the plugin. The clock is that of a synctest bubble, which needs t
// and therefore a test; Main makes one for a command.
func New(t *testing.T) (*Oracle, error) {
	k, err := newKeys()
	if err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	o := &Oracle{t: t, keys: k, storage: &logical.InmemStorage{}}
	o.backend, err = jwtauth.Factory(context.Background(), &logical.BackendConfig{
		Logger:      hclog.NewNullLogger(),
		System:      logical.StaticSystemView{DefaultLeaseTTLVal: maxLease, MaxLeaseTTLVal: maxLease},
		StorageView: o.storage,
	})
	if err != nil {
		k.jwks.Close()
		return nil, fmt.Errorf("mount the plugin: %w", err)
	}
	t.Cleanup(func() {
		o.backend.Cleanup(context.Background())
		k.jwks.Close()
	})
	// Storage, plugin and package net make channels at first use, and those must
	// not belong to a clock that ends. Hence one login with fetched keys outside
	// of any, and names looked up.
	offline()
	_, err = o.answer(Case{
		Role:    []byte(`{"role_type":"jwt","user_claim":"sub","bound_subject":"u"}`),
		Context: Context{Config: map[string]any{"jwks_pairs": []any{map[string]any{"jwks_url": "ours"}}}},
		Claims:  []byte(`{"sub":"u"}`),
	})
	if err != nil {
		return nil, fmt.Errorf("try the plugin: %w", err)
	}
	return o, nil
}

// offline keeps names from being looked up on the network: for a bound address
// with a port, the plugin resolves host and port. The hosts file is still read.
func offline() {
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = func(_ context.Context, network, address string) (net.Conn, error) {
		return nil, fmt.Errorf("dial %s %s: the oracle asks no name server", network, address)
	}
	_, _ = net.LookupHost("name.invalid")
	_, _ = net.LookupPort("tcp", "invalid")
}

// Main is the body of a command that needs an oracle: it calls f with one and
// exits the process, with 1 where f fails. Flags are to be parsed before.
func Main(f func(*Oracle) error) {
	all := func(_, _ string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "oracle", F: func(t *testing.T) {
		o, err := New(t)
		if err == nil {
			err = f(o)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0) // here: package testing would print a verdict of its own
	}}}, nil, nil)
}

// Answer asks the plugin: config and role are written, then somebody logs in. An
// error means that the case cannot be asked, never that Vault refused.
func (o *Oracle) Answer(c Case) (a Answer, err error) {
	now, err := c.time()
	if err != nil {
		return Answer{}, err
	}
	synctest.Test(o.t, func(*testing.T) {
		wait := time.Until(now)
		if wait < 0 {
			err = fmt.Errorf("now: want %s or later, got %s", time.Now().UTC().Format(time.DateOnly), now)
			return
		}
		time.Sleep(wait)
		a, err = o.answer(c)
	})
	return a, err
}

// answer asks at the time that it is.
func (o *Oracle) answer(c Case) (Answer, error) {
	payload, err := c.payload()
	if err != nil {
		return Answer{}, err
	}
	if refusal, err := o.configure(c.Context.Config); refusal != "" || err != nil {
		return Answer{ConfigError: refusal}, err
	}
	name := c.Context.RoleName
	if name == "" {
		name = "role"
	}
	name = strings.ToLower(name) // as Vault does at every write and login
	var role map[string]any
	if err := decode(c.Role, &role); err != nil {
		return Answer{}, fmt.Errorf("role: %w", err)
	}
	if refusal, err := o.store(name, role); refusal != "" || err != nil {
		return Answer{RoleError: refusal}, err
	}
	token, err := o.token(c.Context, payload)
	if err != nil {
		return Answer{}, err
	}
	req := &logical.Request{
		Operation: logical.UpdateOperation, Path: "login", Storage: o.storage,
		Data: map[string]any{"role": name, "jwt": token},
	}
	if addr := c.Context.RemoteAddr; addr != nil {
		req.Connection = &logical.Connection{RemoteAddr: *addr}
	} else if o.bindsAddress(name) {
		return Answer{}, errors.New("the role is bound to addresses and context has no remote_addr")
	}
	return o.first(name, req)
}

// configure writes the auth method's config if it differs from the last one.
func (o *Oracle) configure(config map[string]any) (refusal string, err error) {
	if o.written && reflect.DeepEqual(o.config, config) {
		return "", nil
	}
	o.written = false
	refusal, err = o.write("config", o.keys.sourced(config), logical.UpdateOperation)
	if refusal == "" && err == nil {
		// The caches that jwks_pairs brings up belong to the clock they are
		// made under, so such a config is written for every case.
		_, pairs := config["jwks_pairs"]
		o.config, o.written = config, !pairs
	}
	return refusal, err
}

// store makes the role anew from a write body. From what `vault read` prints it
// makes it in the two writes that can lead to any stored role: one in string
// mode, then one that only sets the type of its claims.
func (o *Oracle) store(name string, role map[string]any) (refusal string, err error) {
	path := "role/" + name
	if err := o.storage.Delete(context.Background(), path); err != nil {
		return "", err
	}
	stored, ok := role["data"].(map[string]any)
	if !ok {
		return o.writeRole(path, role)
	}
	first := maps.Clone(stored)
	delete(first, "bound_claims_type")
	if refusal, err := o.writeRole(path, first); refusal != "" || err != nil {
		return refusal, err
	}
	second := maps.Clone(stored)
	maps.DeleteFunc(second, func(k string, _ any) bool { return k != "bound_claims_type" && k != "role_type" })
	return o.writeRole(path, second)
}

// writeRole asks as core does: first whether the role exists, which is where
// fields that cannot be decoded are refused, then for the write.
func (o *Oracle) writeRole(path string, body map[string]any) (refusal string, err error) {
	found, exists, err := o.exists(path, body)
	switch {
	case err != nil:
		return o.firstUnreadable(path, body, err), nil
	case !found:
		return "", fmt.Errorf("%s: no such path", path)
	case exists:
		return o.write(path, body, logical.UpdateOperation)
	}
	refusal, err = o.write(path, body, logical.CreateOperation)
	if refusal != "" && body["bound_claims_type"] == "glob" {
		refusal = o.firstNotGlob(path, body, refusal)
	}
	return refusal, err
}

func (o *Oracle) exists(path string, body map[string]any) (found, exists bool, err error) {
	return o.backend.HandleExistenceCheck(context.Background(), &logical.Request{
		Operation: logical.CreateOperation, Path: path, Storage: o.storage, Data: body,
	})
}

// firstUnreadable names the first field by byte order that cannot be decoded,
// where the plugin names any.
func (o *Oracle) firstUnreadable(path string, body map[string]any, observed error) string {
	for _, k := range slices.Sorted(maps.Keys(body)) {
		if _, _, err := o.exists(path, map[string]any{k: body[k]}); err != nil {
			return err.Error()
		}
	}
	return observed.Error()
}

// firstNotGlob names the first bound claim by byte order that a glob role cannot
// have, where the plugin names any.
func (o *Oracle) firstNotGlob(path string, body map[string]any, observed string) string {
	claims, _ := body["bound_claims"].(map[string]any)
	if len(claims) < 2 {
		return observed
	}
	for _, k := range slices.Sorted(maps.Keys(claims)) {
		narrow := maps.Clone(body)
		narrow["bound_claims"] = map[string]any{k: claims[k]}
		if refusal, err := o.write(path, narrow, logical.CreateOperation); refusal != "" && err == nil {
			return refusal
		}
		_ = o.storage.Delete(context.Background(), path)
	}
	return observed
}

func (o *Oracle) write(path string, body map[string]any, op logical.Operation) (refusal string, err error) {
	resp, err := o.backend.HandleRequest(context.Background(), &logical.Request{
		Operation: op, Path: path, Storage: o.storage, Data: maps.Clone(body),
	})
	if resp.IsError() {
		return resp.Error().Error(), nil
	}
	return "", err
}

func (o *Oracle) token(c Context, payload []byte) (string, error) {
	header := map[string]any{}
	maps.Copy(header, c.Header)
	if c.Alg != nil {
		header["alg"] = *c.Alg
	}
	if _, ok := header["alg"]; !ok {
		header["alg"] = fittingAlg(c.Config)
	}
	if c.Header == nil {
		alg, _ := header["alg"].(string)
		header["kid"] = kidOf(alg)
	}
	return o.keys.sign(header, payload)
}

// fittingAlg is the alg of a token whose case does not say: one the config takes.
func fittingAlg(config map[string]any) string {
	text, _ := json.Marshal(config["jwt_supported_algs"])
	for _, alg := range algs {
		if bytes.Contains(text, []byte(alg)) {
			return alg
		}
	}
	return algs[0]
}

func (o *Oracle) bindsAddress(name string) bool {
	role, err := o.stored(name)
	if err != nil {
		return false
	}
	for _, field := range []string{"token_bound_cidrs", "bound_cidrs"} {
		if list, _ := role[field].([]any); len(list) > 0 {
			return true
		}
	}
	return false
}

// stored is the role as it lies in storage.
func (o *Oracle) stored(name string) (map[string]any, error) {
	entry, err := o.storage.Get(context.Background(), "role/"+name)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return nil, fmt.Errorf("role %q is not stored", name)
	}
	var role map[string]any
	return role, decode(entry.Value, &role)
}

// first logs in. Where the plugin walks a map, so that the refusal may name
// either of two entries, it settles on the first by byte order: it asks again,
// each time with one entry alone in the stored role.
func (o *Oracle) first(name string, req *logical.Request) (Answer, error) {
	a, err := o.login(req)
	if err != nil {
		return Answer{}, err
	}
	field := map[string]string{"mapping": "claim_mappings", "bound_claims": "bound_claims"}[a.Stage]
	if field == "" {
		return a, nil
	}
	role, err := o.stored(name)
	if err != nil {
		return Answer{}, err
	}
	all, _ := role[field].(map[string]any)
	if len(all) < 2 {
		return a, nil
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		role[field] = map[string]any{k: all[k]}
		entry, err := logical.StorageEntryJSON("role/"+name, role)
		if err != nil {
			return Answer{}, err
		}
		if err := o.storage.Put(context.Background(), entry); err != nil {
			return Answer{}, err
		}
		one, err := o.login(req)
		if err != nil {
			return Answer{}, err
		}
		if one.Stage == a.Stage {
			return one, nil
		}
	}
	return Answer{}, fmt.Errorf("refused with %q, but for no entry of %s alone", a.Message, field)
}

// login asks once.
func (o *Oracle) login(req *logical.Request) (a Answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			a, err = refused(fmt.Sprint(panicked, r))
		}
	}()
	resp, err := o.backend.HandleRequest(context.Background(), req)
	switch {
	case err != nil:
		return refused(err.Error())
	case resp.IsError():
		return refused(resp.Error().Error())
	case resp == nil || resp.Auth == nil:
		return Answer{}, errors.New("login: neither refused nor granted")
	}
	if veto := coreVeto(resp.Auth); veto != "" {
		return Answer{Verdict: "deny", Stage: "core", Message: veto}, nil
	}
	return Answer{Verdict: "allow"}, nil
}

func refused(message string) (Answer, error) {
	stage := stageOf(message)
	if stage == "" {
		return Answer{}, fmt.Errorf("the plugin refused with a text that names no stage: %q", message)
	}
	return Answer{Verdict: "deny", Stage: stage, Message: message}, nil
}

// decode reads JSON as Vault's HTTP layer does, numbers as they are spelled.
func decode(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return dec.Decode(v)
}

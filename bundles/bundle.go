// Package bundles loads the policies, prepares roles and asks for decisions. It is the
// only place where Go meets the evaluator: input goes in as the values that the
// verifier read, a trustcheck.Decision comes out, and nothing is decided on the way.
//
// A Bundle and its Roles are immutable and safe for concurrent use.
package bundles

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown/cache"

	"github.com/trustcheck/trustcheck/policies"
	"github.com/trustcheck/trustcheck/policies/platform"
)

// DefaultDeadline bounds one evaluation when Options leave it open.
const DefaultDeadline = time.Second

// patterns is how many compiled patterns and networks are kept between evaluations.
const patterns = 10_000

// Options say what is loaded beside the policies that trustcheck brings.
type Options struct {
	// Rules are the user's own Rego files, text by file name. Their packages must lie
	// below trustcheck.rules or trustcheck.roles.
	Rules map[string]string
	// Require names packages below trustcheck.rules whose `allow` must be true on top of
	// every role.
	Require []string
	// Deadline bounds one evaluation; zero means DefaultDeadline.
	Deadline time.Duration
}

// Bundle is a loaded set of policies, ready to prepare roles and to decide.
type Bundle struct {
	platforms platform.Platforms
	modules   map[string]*ast.Module
	require   []any
	deadline  time.Duration
	digest    string
	engine    *engine
	prepare   rego.PreparedEvalQuery
	values    cache.InterQueryValueCache
	compiled  *lru.Cache[string, rego.PreparedEvalQuery]
}

// engine is one compiled set of modules with its queries.
type engine struct {
	compiler *ast.Compiler
	store    storage.Store
	allow    rego.PreparedEvalQuery
	answer   rego.PreparedEvalQuery
}

// Open loads and compiles the policies. An error names the file and line at fault.
func Open(ctx context.Context, options Options) (*Bundle, error) {
	texts, err := policies.Modules()
	if err != nil {
		return nil, err
	}
	modules := make(map[string]*ast.Module, len(texts)+len(options.Rules))
	for file, text := range texts {
		if modules[file], err = ast.ParseModule(file, text); err != nil {
			return nil, err
		}
	}
	for file, text := range options.Rules {
		module, err := parseUserModule(file, text)
		if err != nil {
			return nil, err
		}
		modules[file] = module
	}
	require, err := explained(modules, options.Require)
	if err != nil {
		return nil, err
	}
	bundle := &Bundle{
		platforms: policies.Platforms(),
		modules:   modules,
		require:   require,
		deadline:  options.Deadline,
		digest:    digest(texts, options.Rules),
		values:    cache.NewInterQueryValueCache(ctx, valueCacheConfig()),
	}
	if bundle.compiled, err = lru.New[string, rego.PreparedEvalQuery](generatedKept); err != nil {
		return nil, err
	}
	if bundle.deadline <= 0 {
		bundle.deadline = DefaultDeadline
	}
	compiler, err := compile(modules)
	if err != nil {
		return nil, err
	}
	if bundle.engine, err = newEngine(ctx, compiler); err != nil {
		return nil, err
	}
	bundle.prepare, err = query(ctx, "data.trustcheck.trust.prepared", compiler, bundle.engine.store)
	return bundle, err
}

// Digest identifies the policies and rules by the SHA-256 of their texts.
func (b *Bundle) Digest() string { return b.digest }

// Platforms returns the names of the platforms whose roles can be prepared.
func (b *Bundle) Platforms() []string { return b.platforms.Names() }

// Knows returns an error that lists the platforms unless name is one of them.
func (b *Bundle) Knows(name string) error {
	_, err := b.platforms.Named(name)
	return err
}

// PerToken lists the members of a context that no prepared role depends on.
func (b *Bundle) PerToken() []string { return b.platforms.PerToken() }

func compile(modules map[string]*ast.Module) (*ast.Compiler, error) {
	compiler := ast.NewCompiler().WithStrict(true).WithCapabilities(capabilities())
	compiler.Compile(modules)
	if compiler.Failed() {
		return nil, firstError(compiler.Errors)
	}
	return compiler, nil
}

func firstError(failures ast.Errors) error {
	all := make([]error, len(failures))
	for i, failure := range failures {
		all[i] = failure
	}
	return errors.Join(all...)
}

func newEngine(ctx context.Context, compiler *ast.Compiler) (*engine, error) {
	store := inmem.NewFromObjectWithOpts(map[string]any{}, inmem.OptReturnASTValuesOnRead(true))
	allow, err := query(ctx, "data.trustcheck.trust.allow", compiler, store)
	if err != nil {
		return nil, err
	}
	answer, err := query(ctx, "data.trustcheck.trust.answer", compiler, store)
	return &engine{compiler: compiler, store: store, allow: allow, answer: answer}, err
}

func query(ctx context.Context, text string, compiler *ast.Compiler, store storage.Store) (rego.PreparedEvalQuery, error) {
	prepared, err := rego.New(
		rego.Query(text),
		rego.Compiler(compiler),
		rego.Store(store),
		rego.StrictBuiltinErrors(true),
		rego.GenerateJSON(term),
	).PrepareForEval(ctx)
	if err != nil {
		return prepared, fmt.Errorf("prepare %s: %w", text, err)
	}
	return prepared, nil
}

// term hands results over as they are: no JSON on the way out either.
func term(result *ast.Term, _ *rego.EvalContext) (any, error) { return result, nil }

func valueCacheConfig() *cache.Config {
	entries := patterns
	config := &cache.Config{InterQueryBuiltinValueCache: cache.InterQueryBuiltinValueCacheConfig{
		MaxNumEntries:     &entries,
		NamedCacheConfigs: map[string]*cache.NamedValueCacheConfig{},
	}}
	return config
}

func digest(sets ...map[string]string) string {
	sum := sha256.New()
	for _, texts := range sets {
		for _, file := range slices.Sorted(maps.Keys(texts)) {
			fmt.Fprintf(sum, "%d %s\n%d %s\n", len(file), file, len(texts[file]), texts[file])
		}
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// Package cel translates expressions of the Common Expression Language into
// plain Rego, for a decision that runs in any OPA, and into formulas, from which
// package breadth reads how far a condition reaches. Both come from one syntax
// tree, which cel-go parses and type-checks.
//
// # The rule behind every other
//
// An error in CEL is undefined in Rego. A generated module has one rule per
// operation, without arguments; inside a macro it is a function of the macros'
// variables that it uses.
//
//	CEL                       Rego
//	assertion.a.b             input.claims["a"]["b"], undefined when absent
//	a && b, a || b            false (true) if either is; true (false) if both are;
//	                          undefined otherwise, whichever operand came first
//	!a                        two bodies, never "not"
//	a == b, a != b            across types false and true; undefined when either
//	                          operand is; numbers compare across CEL's types
//	a < b                     two numbers, two texts or two booleans
//	c ? x : y                 two bodies, the other branch may be an error
//	has(m.k)                  key of a map; false of a scalar, undefined of a list
//	x in xs                   element of a list, key of a map, undefined otherwise
//	xs.all(x, p)              false if p is for some element; true if for every one
//	xs.exists(x, p)           the mirror image
//	exists_one, filter, map   undefined as soon as p or the result is for one
//	xs of a macro             a list, the keys of a map, or "", which has nothing
//	a + b                     texts and lists join; ints add within 64 bits
//	size                      code points, elements, members
//	matches                   RE2, anchored at neither end
//	split, join, extract      as in CEL's string extension; as Google documents it
//	string, bool, int, dyn    of texts, booleans and (int only) numbers
//	the set Strings           lowerAscii upperAscii trim replace substring charAt
//	                          indexOf, beside those above
//
// Rego's negation is used on no value that a token decides. The library looks at
// types before a built-in does, so strict and lax built-in errors agree.
//
// # Numbers
//
// JSON does not tell an int from a double, and platforms differ in what they
// make of it. Comparisons do not depend on it. Where a result does, the generated
// set "undecided" holds the reason and the value must not be used: the text of a
// number, and the sum or difference of two claims unless both are whole and below
// 2^52. It also holds the reason when an order is asked of a map's keys. It does
// not ask whether the doubtful part decided anything. Numbers beyond 2^53, and
// whole ones that are spelled with a fraction or an exponent, are the token
// reader's to refuse.
//
// # What is refused
//
// As Unsupported, with the place:
//
//   - uint(), double(), bytes(), type(), types as values, bytes literals,
//     timestamps and durations, and whatever reads a clock
//   - arithmetic on doubles, on a claim and an int, division and modulo
//   - string() of a number whose type is known
//   - maps with other than literal text keys, or with a key twice
//   - messages and optional values
//   - extract with a template that is not a literal; \C in a pattern
//   - functions that the platform is not known to have, or that are not listed
//     above: lastIndexOf, format, quote, reverse, replace with a limit and others
//   - macros nested deeper than 3 or of more than 4096 rounds over written lists,
//     trees deeper than 64 or of more than 4096 operations
//
// As Invalid: what cel-go itself refuses, such as a comparison of literals of
// different types; an expression over 16 KiB; a result of the wrong type; and an
// extract template without exactly one {name}.
//
// # Where cel-go stands alone
//
// A macro over the empty text and has() of a scalar are no errors in cel-go and
// may be in other implementations. The translation follows cel-go.
package cel

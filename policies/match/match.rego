# METADATA
# title: Matchers
# description: |
#   The operators on claims. Everything here is total: a value of another type,
#   an absent claim or an empty list is simply not a match. Every string operator
#   of every platform ends as membership in a list of exact values or as one
#   anchored RE2; `glob.match` is never used, its meaning differs from theirs.
package trustcheck.match

# METADATA
# description: |
#   The value that a condition reads, undefined when absent. `key` names a
#   top-level claim; `paths` lists the places a JSON pointer may mean, of which
#   at most one exists in any token. A null behind a pointer counts as absent.
#   `folds` marks a registered claim whose name the platform reads without regard to
#   case; `input.folded` lists the readings of such names where a token has twins.
# scope: document
value(condition) := input.claims[condition.key] if not condition.folds

value(condition) := _folded(condition.key) if condition.folds

value(condition) := found if {
	some path in condition.paths
	found := object.get(input.claims, path, null)
	found != null
}

_folded(name) := input.claims[name] if not name in object.keys(_twins)

_folded(name) := readings[count(readings) - 1] if {
	readings := [reading | some reading in _twins[name]; reading != null]
}

_twins := object.get(input, "folded", {})

# METADATA
# description: |
#   Whether a condition of the neutral form holds. Undefined means no: what is
#   satisfied is listed here, absence refuses by itself.
# scope: document
holds("in", condition) if value(condition) in condition.values

holds("in", condition) if {
	condition.quantifier == "any"
	list := value(condition)
	is_array(list)
	some element in list
	element in condition.values
}

holds("pattern", condition) if {
	text := value(condition)
	is_string(text)
	regex.match(condition.pattern, text)
}

holds("pattern", condition) if {
	condition.quantifier == "any"
	list := value(condition)
	is_array(list)
	some element in list
	is_string(element)
	regex.match(condition.pattern, element)
}

holds("present", condition) if value(condition) != null

holds("absent", condition) if count(got(condition)) == 0

holds("absent", condition) if got(condition) == [null]

holds("text", condition) if is_string(value(condition))

holds("text_or_absent", condition) if is_string(value(condition))

holds("text_or_absent", condition) if count(got(condition)) == 0

holds("text_or_absent", condition) if got(condition) == [null]

holds("texts", condition) if is_string(value(condition))

holds("texts", condition) if {
	list := value(condition)
	is_array(list)
	every element in list {
		is_string(element)
	}
}

holds("always", _)

# METADATA
# description: |
#   The claim as the token brought it, in a list: empty when it is absent.
# scope: document
default got(_) := []

got(condition) := [found] if found := value(condition)

# METADATA
# description: |
#   Satisfied when the claim is exactly this value. JSON types are kept: the text
#   "true" is not the boolean true.
# scope: document
equals(claim, wanted) if input.claims[claim] == wanted

# METADATA
# description: Satisfied when the claim is one of the wanted values, given as a set or list.
# scope: document
one_of(claim, wanted) if input.claims[claim] in wanted

# METADATA
# description: |
#   Satisfied when the claim is a list that holds the value, or that value itself.
# scope: document
has(claim, wanted) if input.claims[claim] == wanted

has(claim, wanted) if {
	is_array(input.claims[claim])
	wanted in input.claims[claim]
}

# METADATA
# description: |
#   Satisfied when the claim is text that matches the pattern, in which `*`
#   stands for any run of characters, `/` and line breaks included, and every other
#   character for itself. The whole text must match.
# scope: document
like(claim, pattern) if {
	text := input.claims[claim]
	is_string(text)
	regex.match(anchored(pattern), text)
}

# METADATA
# description: |
#   Satisfied when the whole claim matches the RE2. It is anchored at both ends,
#   so that `a|b` cannot escape on one side.
# scope: document
matches(claim, pattern) if {
	text := input.claims[claim]
	is_string(text)
	regex.match(concat("", [`\A(?:`, pattern, `)\z`]), text)
}

# METADATA
# description: Satisfied when the claim is there and not null.
# scope: document
present(claim) if input.claims[claim] != null

# METADATA
# description: |
#   Satisfied when the claim is text that starts with the path and either ends there
#   or goes on after a `/`: `within("namespace_path", "acme")` admits `acme` and
#   `acme/web`, and refuses `acme-evil`.
# scope: document
within(claim, path) if input.claims[claim] == path

within(claim, path) if {
	text := input.claims[claim]
	is_string(text)
	startswith(text, concat("", [path, "/"]))
}

# METADATA
# description: |
#   The anchored RE2 of one pattern with the wildcard `*`. Everything between the
#   stars is quoted; `(?s)` lets the dot match line breaks.
# scope: document
anchored(pattern) := concat("", [`(?s)\A`, starred(pattern), `\z`])

# METADATA
# description: |
#   The anchored RE2 of several patterns with the wildcard `*`, any of which may match.
# scope: document
anchored_any(patterns) := concat("", [`(?s)\A(?:`, concat("|", [starred(p) | some p in patterns]), `)\z`])

# METADATA
# description: The unanchored RE2 of one pattern with the wildcard `*`.
# scope: document
starred(pattern) := concat(".*", [quoted(piece) | some piece in split(pattern, "*")])

# METADATA
# description: The RE2 that matches exactly this text.
# scope: document
quoted(text) := strings.replace_n(_special, text)

_special := {character: concat("", [`\`, character]) |
	some character in [`\`, ".", "+", "*", "?", "(", ")", "|", "[", "]", "{", "}", "^", "$"]
}

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
#   The value that a condition reads, undefined when absent; the first argument repeats
#   `condition.reads`. A `claim` is a top-level one, called `key`. A `pointer` lists in
#   `paths` the places that a JSON pointer may mean, of which at most one exists in any
#   token; a null behind it counts as absent. A `folded` claim is a registered one whose
#   name the platform reads without regard to case: `input.folded` lists its readings
#   where a token has twins of it.
# scope: document
value("claim", condition) := input.claims[condition.key]

value("pointer", condition) := found if {
	some path in condition.paths
	found := object.get(input.claims, path, null)
	found != null
}

value("folded", condition) := input.claims[condition.key] if not input.folded[condition.key]

value("folded", condition) := readings[count(readings) - 1] if {
	readings := [reading | some reading in input.folded[condition.key]; reading != null]
}

# METADATA
# description: |
#   Whether a condition of the neutral form holds; the first two arguments repeat
#   `condition.reads` and `condition.test`. Undefined means no: what is satisfied is listed
#   here, absence refuses by itself. Tests on a top-level claim stand first and read it
#   without a call: nearly every condition is one.
# scope: document
holds("claim", "in", condition) if input.claims[condition.key] in condition.values

holds("claim", "in_any", condition) if _some_in(input.claims[condition.key], condition.values)

holds("claim", "pattern", condition) if _matched(input.claims[condition.key], condition.pattern)

holds("claim", "pattern_any", condition) if _some_matched(input.claims[condition.key], condition.pattern)

holds("claim", "filled", condition) if _filled(input.claims[condition.key])

holds("claim", "text", condition) if is_string(input.claims[condition.key])

holds("folded", "in", condition) if value("folded", condition) in condition.values

holds("folded", "in_any", condition) if _some_in(value("folded", condition), condition.values)

holds("pointer", "in_any", condition) if _some_in(value("pointer", condition), condition.values)

holds("pointer", "pattern_any", condition) if _some_matched(value("pointer", condition), condition.pattern)

holds("pointer", "filled", condition) if _filled(value("pointer", condition))

holds("pointer", "text", condition) if is_string(value("pointer", condition))

holds(reads, "present", condition) if value(reads, condition) != null

holds(_, "absent", condition) if got(condition) in [[], [null]]

holds(reads, "text_or_absent", condition) if is_string(value(reads, condition))

holds(_, "text_or_absent", condition) if got(condition) in [[], [null]]

holds(reads, "texts", condition) if _texts(value(reads, condition))

holds(_, "always", _)

_some_in(found, values) if {
	found in values
} else if {
	is_array(found)
	some element in found
	element in values
}

_matched(found, pattern) if {
	is_string(found)
	regex.match(pattern, found)
}

_some_matched(found, pattern) if {
	_matched(found, pattern)
} else if {
	is_array(found)
	some element in found
	_matched(element, pattern)
}

_filled(found) if {
	is_string(found)
	found != ""
}

_texts(found) if is_string(found)

_texts(found) if {
	is_array(found)
	every element in found {
		is_string(element)
	}
}

# METADATA
# description: |
#   The claim as the token brought it, in a list: empty when it is absent.
# scope: document
default got(_) := []

got(condition) := [input.claims[condition.key]]

got(condition) := [found] if found := value("pointer", condition)

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

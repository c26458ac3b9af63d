# METADATA
# title: CEL's operations in plain Rego
# description: >-
#   What the rules generated from an expression of the Common Expression Language
#   call. Where CEL answers with an error the operation is undefined, and where CEL
#   answers false it is false: a caller must never negate one of these with `not`.
#   Every operation looks at the types of its operands before a built-in sees them,
#   so strict and lax built-in errors give the same answer.
# related_resources:
#   - ref: https://github.com/google/cel-spec/blob/master/doc/langdef.md
package trustcheck.cel

# METADATA
# description: The value itself, of which Rego's type checker knows nothing any more.
dyn(x) := x

# METADATA
# description: Tells whether a value is the boolean true. It is undefined otherwise.
is_true(x) if dyn(x) == true

# METADATA
# description: Tells whether a value is the boolean false. It is undefined otherwise.
is_false(x) if dyn(x) == false

# METADATA
# description: The negation of a boolean.
negate(x) := false if dyn(x) == true

negate(x) if dyn(x) == false

# METADATA
# description: Equality. Values of different types differ, which is not an error; numbers compare across CEL's three types.
same(a, b) := a == b

# METADATA
# description: The opposite of same. It needs both operands, so a missing claim does not differ from anything.
differ(a, b) := a != b

# METADATA
# description: Order of two numbers, two texts or two booleans.
less(a, b) := a < b if _ordered(a, b)

# METADATA
# description: Order of two numbers, two texts or two booleans.
at_most(a, b) := a <= b if _ordered(a, b)

# METADATA
# description: Order of two numbers, two texts or two booleans.
more(a, b) := a > b if _ordered(a, b)

# METADATA
# description: Order of two numbers, two texts or two booleans.
at_least(a, b) := a >= b if _ordered(a, b)

_ordered(a, b) if {
	is_number(a)
	is_number(b)
}

_ordered(a, b) if {
	is_string(a)
	is_string(b)
}

_ordered(a, b) if {
	is_boolean(a)
	is_boolean(b)
}

# METADATA
# description: The element of a list at a whole-numbered place, or the member of a map.
index(x, key) := x[floor(key)] if {
	is_array(x)
	is_number(key)
	floor(key) == key
}

index(x, key) := x[key] if is_object(x)

# METADATA
# description: CEL's has(). A scalar has no members, which is not an error; a list is.
has(x, key) if {
	is_object(x)
	type_name(x[key]) # undefined where there is none, while false and null have one
} else := false if is_array(x) == false

# METADATA
# description: CEL's in. Looks among the elements of a list, and among the keys (not the values) of a map.
member(x, xs) if {
	is_array(xs)
	some element in xs
	element == x
} else if {
	is_object(xs)
	type_name(xs[x])
} else := false if _container(xs)

_container(x) if is_array(x)

_container(x) if is_object(x)

# METADATA
# description: What a macro runs over. The elements of a list, the keys of a map, and nothing for the empty text.
elements(x) := x if is_array(x)

elements(x) := [key | some key, _ in x] if is_object(x)

elements(x) := [] if x == ""

# METADATA
# description: Code points of a text, elements of a list, members of a map.
size(x) := count(x) if _sized(x)

_sized(x) if is_string(x)

_sized(x) if is_array(x)

_sized(x) if is_object(x)

# METADATA
# description: Joins two texts or two lists, or adds two numbers of claims.
add(a, b) := concat("", [a, b]) if {
	is_string(a)
	is_string(b)
}

add(a, b) := array.concat(a, b) if {
	is_array(a)
	is_array(b)
}

add(a, b) := a + b if _plain(a, b)

# METADATA
# description: The difference of two numbers of claims.
sub(a, b) := a - b if _plain(a, b)

# Whole numbers that are not huge give the same sum and difference as ints and as doubles.
_plain(a, b) if {
	_small(a)
	_small(b)
}

_small(n) if {
	is_number(n)
	floor(n) == n
	abs(n) <= 4503599627370496 # 2^52: a sum stays exact in a double
}

# METADATA
# description: >-
#   Tells whether arithmetic on two numbers of claims turns on whether they are ints or
#   doubles. An int and a double do not add up in CEL, and large numbers overflow or round.
mixed(a, b) if {
	is_number(a)
	is_number(b)
	_plainness(a, b) == false
}

default _plainness(_, _) := false

_plainness(a, b) if _plain(a, b)

# METADATA
# description: An integer that fits into 64 bits with sign. Beyond, CEL's arithmetic is an error.
int64(n) := n if {
	n >= -9223372036854775808
	n <= 9223372036854775807
}

# METADATA
# description: CEL's bool(), with the spellings that CEL knows.
to_bool(x) := x if is_boolean(x)

to_bool(x) if x in ["1", "t", "T", "TRUE", "true", "True"]

to_bool(x) := false if x in ["0", "f", "F", "FALSE", "false", "False"]

# METADATA
# description: CEL's string() of a text or a boolean. The text of a number depends on its CEL type, which JSON does not tell.
to_string(x) := x if is_string(x)

to_string(x) := "true" if x == true

to_string(x) := "false" if x == false

# METADATA
# description: CEL's int() of a decimal text, or of a number, which it cuts towards zero.
to_int(x) := int64(to_number(concat("", [_minus(x), _digits(plain)]))) if {
	is_string(x)
	regex.match(`\A[+-]?[0-9]+\z`, x)
	plain := trim_left(x, "+-0")
	count(plain) <= 19
}

to_int(x) := int64(floor(x)) if {
	is_number(x)
	x >= 0
}

to_int(x) := int64(ceil(x)) if {
	is_number(x)
	x < 0
}

_minus(x) := "-" if {
	startswith(x, "-")
} else := ""

_digits(x) := "0" if {
	x == ""
} else := x

# METADATA
# description: CEL's startsWith.
starts_with(x, prefix) := startswith(x, prefix) if {
	is_string(x)
	is_string(prefix)
}

# METADATA
# description: CEL's endsWith.
ends_with(x, suffix) := endswith(x, suffix) if {
	is_string(x)
	is_string(suffix)
}

# METADATA
# description: CEL's contains.
contains_text(x, part) := contains(x, part) if {
	is_string(x)
	is_string(part)
}

# METADATA
# description: CEL's matches, an RE2 search that is anchored at neither end.
matches(x, pattern) := regex.match(pattern, x) if {
	is_string(x)
	is_string(pattern)
	regex.is_valid(pattern)
}

# METADATA
# description: CEL's split. The empty separator splits into code points.
split_text(x, separator) := split(x, separator) if {
	is_string(x)
	is_string(separator)
}

# METADATA
# description: CEL's split into at most n pieces; a negative n is no limit.
split_n(x, separator, n) := parts if {
	n < 0
	parts := split_text(x, separator)
}

split_n(x, separator, 0) := [] if {
	is_string(x)
	is_string(separator)
}

split_n(x, separator, n) := parts if {
	n > 0
	parts := split_text(x, separator)
	count(parts) <= n
}

split_n(x, separator, n) := array.concat(array.slice(parts, 0, n - 1), [rest]) if {
	n > 0
	parts := split_text(x, separator)
	count(parts) > n
	rest := concat(separator, array.slice(parts, n - 1, count(parts)))
}

# METADATA
# description: CEL's join of a list of texts.
join(xs, separator) := concat(separator, xs) if {
	is_array(xs)
	is_string(separator)
	every x in xs {
		is_string(x)
	}
}

# METADATA
# description: >-
#   Google's extract. What stands between the first prefix and the first suffix after
#   it, or the empty text when either is not found. An empty suffix reaches to the end.
# related_resources:
#   - ref: https://cloud.google.com/iam/docs/conditions-attribute-reference#extract
extract(x, prefix, suffix) := _before(_after(x, prefix), suffix) if is_string(x)

_after(x, "") := {"text": x}

_after(x, prefix) := {"text": concat(prefix, array.slice(parts, 1, count(parts)))} if {
	prefix != ""
	parts := split(x, prefix)
	count(parts) > 1
} else := {} if {
	prefix != ""
}

_before(found, "") := object.get(found, "text", "")

_before(found, suffix) := parts[0] if {
	suffix != ""
	parts := split(found.text, suffix)
	count(parts) > 1
} else := "" if {
	suffix != ""
}

# METADATA
# description: CEL's lowerAscii, which leaves every other letter alone.
lower_ascii(x) := concat("", [object.get(_lower, c, c) | some c in split(x, "")]) if is_string(x)

# METADATA
# description: CEL's upperAscii, which leaves every other letter alone.
upper_ascii(x) := concat("", [object.get(_upper, c, c) | some c in split(x, "")]) if is_string(x)

_letters := split("abcdefghijklmnopqrstuvwxyz", "")

_capitals := split("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "")

_lower[capital] := _letters[i] if some i, capital in _capitals

_upper[letter] := _capitals[i] if some i, letter in _letters

# METADATA
# description: CEL's replace of every occurrence.
replace_text(x, old, new) := concat(new, split(x, old)) if {
	is_string(x)
	is_string(old)
	is_string(new)
	old != ""
}

# The empty text stands around every character. OPA 1.22's replace takes bytes there.
replace_text(x, "", new) := concat(new, array.concat(array.concat([""], split(x, "")), [""])) if {
	is_string(x)
	is_string(new)
}

# METADATA
# description: CEL's trim of white space at both ends.
trim_text(x) := trim_space(x) if is_string(x)

# METADATA
# description: The code points of a text from one place up to, not including, another.
slice(x, from, to) := substring(x, from, to - from) if {
	is_string(x)
	from >= 0
	from <= to
	to <= count(x)
}

# METADATA
# description: CEL's charAt. The place after the last character holds the empty text.
char_at(x, i) := substring(x, i, 1) if {
	is_string(x)
	i >= 0
	i <= count(x)
}

# METADATA
# description: CEL's indexOf, counted in code points; -1 when the text is not found.
index_of(x, part) := indexof(x, part) if {
	is_string(x)
	is_string(part)
	part != ""
}

index_of(x, "") := 0 if is_string(x)

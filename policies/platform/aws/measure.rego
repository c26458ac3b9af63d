package trustcheck.platform.aws

# METADATA
# description: |
#   A number or a time as one integer, undefined for a text that is neither. Numbers are
#   compared as decimals, to forty places; a time is a year down to a fraction of a second
#   as in https://www.w3.org/TR/NOTE-datetime, or seconds since 1970.
# scope: document
_measure("numeric", text) := _decimal(text)

_measure("date", text) := _decimal(text) if not regex.match(`\A[0-9]{4}\z`, text)

_measure("date", text) := _moment(text)

_order(a, b) := -1 if a < b

_order(a, b) := 0 if a == b

_order(a, b) := 1 if a > b

_zeros := "0000000000000000000000000000000000000000"

_decimal(text) := to_number(_signed(parts[1], _plain_digits(concat("", [parts[2], _padded(parts[3])])))) if {
	regex.match(`\A[+-]?[0-9]{1,200}(\.[0-9]{0,40})?\z`, text)
	parts := regex.find_all_string_submatch_n(`\A([+-]?)([0-9]+)\.?([0-9]*)\z`, text, 1)[0]
}

# Arithmetic on numbers this long would round; text does not.
_signed(sign, digits) := concat("", ["-", digits]) if {
	sign == "-"
	digits != "0"
} else := digits

_padded(digits) := substring(concat("", [digits, _zeros]), 0, 40)

_plain_digits(digits) := trimmed if {
	trimmed := trim_left(digits, "0")
	trimmed != ""
} else := "0"

# Days since 1970 by the civil calendar, so that no built-in can fail on a bad date.
_moment(text) := _decimal(sprintf("%d%s", [seconds, fields[7]])) if {
	fields := regex.find_all_string_submatch_n(_date_form, text, 1)[0]
	year := to_number(_plain_digits(fields[1]))
	month := _field(fields[2], 1)
	day := _field(fields[3], 1)
	day <= _days_in(year, month)
	[hour, minute, second] := [_field(fields[i], 0) | some i in [4, 5, 6]]
	seconds := ((((((_days(year, month, day) * 24) + hour) * 60) + minute) * 60) + second) - _offset(fields[8])
	_fits_sign(seconds, fields[7])
}

# A fraction counts upwards, which the spelling of a negative number does not say.
_fits_sign(seconds, _) if seconds >= 0

_fits_sign(_, "")

_date_form := concat("", [
	`\A([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])`,
	`(?:T([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(\.[0-9]{1,9})?)?(Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))?)?)?\z`,
])

_field("", otherwise) := otherwise

_field(digits, _) := to_number(_plain_digits(digits)) if digits != ""

_days_in(_, month) := 31 if month in {1, 3, 5, 7, 8, 10, 12}

_days_in(_, month) := 30 if month in {4, 6, 9, 11}

_days_in(year, 2) := 29 if _leap(year)

_days_in(year, 2) := 28 if not _leap(year)

_leap(year) if {
	year % 4 == 0
	year % 100 != 0
}

_leap(year) if year % 400 == 0

_days(year, month, day) := ((((((365 * y) + _div(y, 4)) - _div(y, 100)) + _div(y, 400)) + _div((153 * m) + 2, 5)) + day) - 719469 if {
	[y, m] := _march(year, month)
}

# The year begins in March, so that the leap day is its last.
_march(year, month) := [year, month - 3] if month > 2

_march(year, month) := [year - 1, month + 9] if month <= 2

_div(a, b) := (a - (a % b)) / b

_offset(zone) := 0 if zone in {"", "Z"}

_offset(zone) := sign * ((to_number(_plain_digits(substring(zone, 1, 2))) * 3600) + (to_number(_plain_digits(substring(zone, 4, 2))) * 60)) if {
	sign := {"+": 1, "-": -1}[substring(zone, 0, 1)]
}

# --- networks ---

# A network; a single address is a network of one. Undefined for what is neither.
_network(text) := text if {
	contains(text, "/")
	net.cidr_is_valid(text)
}

_network(text) := whole if {
	not contains(text, "/")
	whole := concat("/", [text, _width(text)])
	net.cidr_is_valid(whole)
}

_width(text) := "128" if contains(text, ":")

else := "32"

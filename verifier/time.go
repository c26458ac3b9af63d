package verifier

import (
	"strconv"
	"strings"
	"time"
)

// instant is a NumericDate (RFC 7519 section 2): seconds since 1970, exactly as
// far as nanoseconds, with a mark for anything smaller.
type instant struct {
	sec  int64
	nsec int64
	// more says that digits beyond the nanoseconds were cut off.
	more bool
}

// lastSecond is the end of the year 9999.
const lastSecond = 253402300799

// parseInstant reads a JSON number as a decimal, so that no value overflows or
// is rounded. It reports false for numbers outside 0 to lastSecond.
func parseInstant(number string) (instant, bool) {
	mantissa, exponent := number, 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		var err error
		mantissa = number[:i]
		if exponent, err = strconv.Atoi(number[i+1:]); err != nil || max(exponent, -exponent) > 1e6 {
			return instant{}, false
		}
	}
	negative := strings.HasPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return instant{}, true
	}
	// The value is 0.digits times ten to the power of point.
	point := len(digits) - len(fraction) + exponent
	if negative || point > len("253402300799") {
		return instant{}, false
	}
	if point < -9 {
		return instant{more: true}, true
	}
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	digits += strings.Repeat("0", max(0, point+9-len(digits)))
	sec, _ := strconv.ParseInt("0"+digits[:point], 10, 64)
	nsec, _ := strconv.ParseInt(digits[point:point+9], 10, 64)
	t := instant{sec, nsec, strings.Trim(digits[point+9:], "0") != ""}
	last := instant{sec: lastSecond}
	return t, t.compare(last) <= 0
}

// at returns the instant of a clock.
func at(t time.Time) instant {
	return instant{sec: t.Unix(), nsec: int64(t.Nanosecond())}
}

// add moves the instant; d is at most a few centuries, the sum cannot overflow.
func (t instant) add(d time.Duration) instant {
	t.sec += int64(d / time.Second)
	if t.nsec += int64(d % time.Second); t.nsec < 0 {
		t.sec, t.nsec = t.sec-1, t.nsec+1e9
	} else if t.nsec >= 1e9 {
		t.sec, t.nsec = t.sec+1, t.nsec-1e9
	}
	return t
}

// compare returns -1, 0 or 1 as t is before, at or after o.
func (t instant) compare(o instant) int {
	switch {
	case t.sec != o.sec:
		return sign(t.sec < o.sec)
	case t.nsec != o.nsec:
		return sign(t.nsec < o.nsec)
	case t.more != o.more:
		return sign(o.more)
	}
	return 0
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

func (t instant) time() time.Time {
	return time.Unix(t.sec, t.nsec).UTC()
}

package breadth

import (
	"context"
	"errors"

	"github.com/trustcheck/trustcheck/breadth/language"
)

// limited reports whether an error says that a question was too large to be answered.
func limited(err error) bool {
	return errors.Is(err, language.ErrLimit) || errors.Is(err, errProduct) ||
		errors.Is(err, language.ErrReserved) || errors.Is(err, context.DeadlineExceeded)
}

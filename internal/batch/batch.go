// Package batch answers JSON lines: one object a line in, one a line out, in order and
// flushed line by line. It is how recorded traffic and other tools' cases are run.
package batch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
)

// MaxLine bounds one line of input, in bytes.
const MaxLine = 8 << 20

// Answerer answers one line; number stands for the id of a line without one. The answer is
// marshalled as it is; an error is reported for the line and does not stop the rest.
type Answerer interface {
	Answer(ctx context.Context, number json.RawMessage, line []byte) (any, error)
}

// Run answers every line of in. The error is for input that cannot be read and output
// that cannot be written.
func Run(ctx context.Context, in io.Reader, out io.Writer, answerer Answerer) error {
	lines := bufio.NewReaderSize(in, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := write(out, answer(ctx, answerer, number, line)); err != nil {
			return err
		}
	}
}

// readLine returns one line without an allocation where it fits the buffer; a longer one
// than MaxLine is an error.
func readLine(lines *bufio.Reader) ([]byte, error) {
	line, err := lines.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	whole := append([]byte(nil), line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = lines.ReadSlice('\n')
		if whole = append(whole, line...); len(whole) > MaxLine {
			return nil, fmt.Errorf("want at most %d bytes a line", MaxLine)
		}
	}
	return whole, err
}

func write(out io.Writer, answer any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	_, err := out.Write(line.Bytes())
	return err
}

type failure struct {
	ID    json.RawMessage `json:"id"`
	Error string          `json:"error"`
}

func answer(ctx context.Context, answerer Answerer, number int, line []byte) any {
	id, _ := json.Marshal(number)
	result, err := safely(ctx, answerer, id, line)
	if err == nil {
		return result
	}
	var named struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(line, &named) != nil {
		return failure{ID: id, Error: fmt.Sprintf("want a JSON object: %v", err)}
	}
	return failure{ID: called(named.ID, id), Error: err.Error()}
}

// safely turns a panic into an error of the line, which must not stop the rest.
func safely(ctx context.Context, answerer Answerer, id json.RawMessage, line []byte) (result any, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			result, err = nil, fmt.Errorf("answering panicked: %v: this is a bug of trustcheck, please report the line", recovered)
		}
	}()
	return answerer.Answer(ctx, id, line)
}

// called is what a line calls itself, or its number.
func called(own, number json.RawMessage) json.RawMessage {
	if len(own) == 0 {
		return number
	}
	return own
}

// decode reads a line. Members that it does not know are passed over, so that recorded
// lines may carry notes of their own; one that looks like a misspelt member is an error.
func decode(line []byte, into any, members []string) error {
	strict := json.NewDecoder(bytes.NewReader(line))
	strict.DisallowUnknownFields()
	strict.UseNumber()
	err := strict.Decode(into)
	if err == nil && strict.More() {
		return errors.New("want one JSON object a line, got more behind it")
	}
	if err == nil || !strings.Contains(err.Error(), "unknown field") {
		return err
	}
	var given map[string]json.RawMessage // The whole line, so nothing can stand behind it.
	if err := json.Unmarshal(line, &given); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if near := misspelt(name, members); near != "" {
			return fmt.Errorf("%s: unknown member: did you mean %s", name, near)
		}
	}
	loose := json.NewDecoder(bytes.NewReader(line))
	loose.UseNumber()
	return loose.Decode(into)
}

// misspelt returns the member that name is probably meant for, empty if it is one, or like
// none: it begins as the member does and differs in one letter, or in two of a long one.
func misspelt(name string, members []string) string {
	if slices.Contains(members, name) {
		return ""
	}
	for _, member := range members {
		if len(name) > 3 && name[0] == member[0] && levenshtein.ComputeDistance(strings.ToLower(name), member) <= min(2, (len(member)-1)/2) {
			return member
		}
	}
	return ""
}

// oneOrMany is a text or a list of texts.
type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMany{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(text, &many); err != nil {
		return errors.New("want a text or a list of texts")
	}
	*o = many
	return nil
}

// instant is Unix seconds, a number or a text with up to nine decimals, or RFC 3339.
type instant struct{ time.Time }

func (i *instant) UnmarshalJSON(text []byte) error {
	parsed, err := ParseTime(strings.Trim(string(text), `"`))
	i.Time = parsed
	return err
}

// ParseTime reads Unix seconds with up to nine decimals, or RFC 3339.
func ParseTime(text string) (time.Time, error) {
	if parsed, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return parsed, nil
	}
	wrong := fmt.Errorf("time %q: want RFC 3339 or Unix seconds with at most nine decimals", text)
	if len(text) > 40 || strings.ContainsAny(text, "/_xXpP") {
		return time.Time{}, wrong
	}
	if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok && len(exponent) > 3 {
		return time.Time{}, wrong
	}
	seconds, ok := new(big.Rat).SetString(text)
	if !ok {
		return time.Time{}, wrong
	}
	nanoseconds := seconds.Mul(seconds, big.NewRat(1e9, 1))
	if !nanoseconds.IsInt() {
		return time.Time{}, wrong
	}
	whole, part := new(big.Int).DivMod(nanoseconds.Num(), big.NewInt(1e9), new(big.Int))
	if !whole.IsInt64() || whole.Int64() > maxSeconds || whole.Int64() < -maxSeconds {
		return time.Time{}, wrong
	}
	return time.Unix(whole.Int64(), part.Int64()), nil
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300799

package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// value is one value of a JSON document with its place.
type value struct {
	offset int
	kind   byte // one of { [ " 0 t n: object, array, string, number, true or false, null
	text   string
	keys   []string // of an object
	list   []*value // of an object or array
}

const (
	// maxNesting bounds the depth of a JSON document.
	maxNesting = 200
	// maxValues bounds what one path may match.
	maxValues = 100_000
)

// jsonError is something wrong with a document.
type jsonError struct {
	offset int
	text   string
}

func (e *jsonError) Error() string { return e.text }

// readJSON reads a document. A key that is there twice is an error: readers disagree about
// which of them counts.
func readJSON(src []byte) (*value, error) {
	if bytes.HasPrefix(src, []byte("\xEF\xBB\xBF")) {
		src = append([]byte("   "), src[3:]...)
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	v, err := readValue(dec, src, 0)
	if err != nil {
		var je *jsonError
		if errors.As(err, &je) {
			return nil, err
		}
		offset := int(dec.InputOffset())
		var se *json.SyntaxError
		if errors.As(err, &se) {
			offset = int(se.Offset)
		}
		text := strings.TrimPrefix(err.Error(), "json: ")
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			text = "it ends too early"
		}
		return nil, &jsonError{min(max(offset-1, 0), len(src)), "not JSON: " + text}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &jsonError{int(dec.InputOffset()), "something stands behind the JSON"}
	}
	return v, nil
}

func readValue(dec *json.Decoder, src []byte, depth int) (*value, error) {
	at := int(dec.InputOffset())
	for at < len(src) && bytes.IndexByte([]byte(" \t\r\n,:"), src[at]) >= 0 {
		at++
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	v := &value{offset: at}
	switch t := t.(type) {
	case json.Delim:
		if depth == maxNesting {
			return nil, &jsonError{at, fmt.Sprintf("nested deeper than %d", maxNesting)}
		}
		v.kind = byte(t)
		seen := map[string]bool{}
		for dec.More() {
			if t == '{' {
				k, err := dec.Token()
				if err != nil {
					return nil, err
				}
				key, _ := k.(string)
				if seen[key] {
					return nil, &jsonError{int(dec.InputOffset()), fmt.Sprintf("the key %q is there twice", cut(key, 80))}
				}
				seen[key] = true
				v.keys = append(v.keys, key)
			}
			e, err := readValue(dec, src, depth+1)
			if err != nil {
				return nil, err
			}
			v.list = append(v.list, e)
		}
		_, err = dec.Token()
		return v, err
	case string:
		v.kind, v.text = '"', t
	case json.Number:
		v.kind, v.text = '0', t.String()
	case bool:
		v.kind, v.text = 't', strconv.FormatBool(t)
	default:
		v.kind, v.text = 'n', "null"
	}
	return v, nil
}

// String shows a value in a message.
func (v *value) String() string {
	switch v.kind {
	case '{':
		return "an object"
	case '[':
		return "an array of " + plural(len(v.list), "value")
	case '"':
		return strconv.Quote(cut(v.text, 80))
	}
	return cut(v.text, 80)
}

// jsonPath is a path through a JSON document.
type jsonPath struct {
	text  string
	steps []step
}

type step struct {
	key   string
	index int // of an array, from 0
	kind  stepKind
}

type stepKind uint8

const (
	stepKey   stepKind = iota // the member of that name
	stepIndex                 // the element of that number
	stepAll                   // all members or elements
	stepDeep                  // the value and all values inside of it
)

// parsePath reads a path: names with dots between, [3], [*], * for all members or
// elements, ** for any depth, "…" around a name with other characters.
func parsePath(s string) (jsonPath, error) {
	p := jsonPath{text: s}
	bad := func(format string, args ...any) (jsonPath, error) { return p, fmt.Errorf(format, args...) }
	if s == "" {
		return bad("an empty path")
	}
	name := true // a name is due
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '.':
			if name {
				return bad("a dot without a name before it")
			}
			name = true
			i++
		case c == '[':
			end := strings.IndexByte(s[i:], ']')
			if end < 0 {
				return bad("a [ without ]")
			}
			inner := s[i+1 : i+end]
			if inner == "*" {
				p.steps = append(p.steps, step{kind: stepAll})
			} else if n, err := strconv.Atoi(inner); err == nil && n >= 0 {
				p.steps = append(p.steps, step{kind: stepIndex, index: n})
			} else {
				return bad("[%s] is neither a number nor [*]", cut(inner, 40))
			}
			name = false
			i += end + 1
		case !name:
			return bad("a dot is missing before %s", cut(s[i:], 40))
		case c == '"':
			q, err := strconv.QuotedPrefix(s[i:])
			if err != nil {
				return bad("a quote without end")
			}
			key, err := strconv.Unquote(q)
			if err != nil {
				return bad("a name that cannot be read")
			}
			p.steps = append(p.steps, step{key: key})
			name = false
			i += len(q)
		default:
			end := i
			for end < len(s) && s[end] != '.' && s[end] != '[' {
				end++
			}
			switch key := s[i:end]; key {
			case "*":
				p.steps = append(p.steps, step{kind: stepAll})
			case "**":
				p.steps = append(p.steps, step{kind: stepDeep})
			case "$":
				if i > 0 {
					return bad("$ stands for the document, at the start only")
				}
			default:
				p.steps = append(p.steps, step{key: key})
			}
			name = false
			i = end
		}
	}
	if name {
		return bad("it ends with a dot")
	}
	return p, nil
}

// find returns the values that the path leads to, in their order.
func (p jsonPath) find(v *value) ([]*value, error) {
	now := []*value{v}
	for _, s := range p.steps {
		var next []*value
		seen := map[*value]bool{}
		add := func(v *value) {
			if !seen[v] {
				seen[v] = true
				next = append(next, v)
			}
		}
		for _, v := range now {
			s.from(v, add)
			if len(next) > maxValues {
				return nil, fmt.Errorf("%s leads to more than %d values", p.text, maxValues)
			}
		}
		now = next
	}
	return now, nil
}

func (s step) from(v *value, add func(*value)) {
	switch s.kind {
	case stepKey:
		for i, k := range v.keys {
			if k == s.key {
				add(v.list[i])
			}
		}
	case stepIndex:
		if v.kind == '[' && s.index < len(v.list) {
			add(v.list[s.index])
		}
	case stepAll:
		for _, e := range v.list {
			add(e)
		}
	case stepDeep:
		add(v)
		for _, e := range v.list {
			s.from(e, add)
		}
	}
}

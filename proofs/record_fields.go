package proofs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// fields are what stands between tabs in a line. The first mistake stays in err; what is
// read after it does not count.
type fields struct {
	rest string
	none bool // there are no more
	err  error
}

func (f *fields) fail(what, s string) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %q", what, cut(s, 40))
	}
}

func (f *fields) next() string {
	if f.none {
		f.fail("a field is missing after", f.rest)
		return ""
	}
	s, rest, more := strings.Cut(f.rest, "\t")
	f.rest, f.none = rest, !more
	return s
}

func (f *fields) end() error {
	if !f.none {
		f.fail("more fields than expected", f.rest)
	}
	return f.err
}

func (f *fields) number() int32 {
	s := f.next()
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		f.fail("no number", s)
	}
	return int32(n)
}

func (f *fields) digest() uint64 {
	s := f.next()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		f.fail("no digest", s)
	}
	return n
}

// numbers reads "[1,2]".
func (f *fields) numbers() []int32 {
	s := f.next()
	if len(s) < 2 || s[0] != '[' || s[len(s)-1] != ']' {
		f.fail("no list", s)
		return nil
	}
	if s = s[1 : len(s)-1]; s == "" {
		return nil
	}
	list := make([]int32, 0, strings.Count(s, ",")+1)
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseInt(part, 10, 32)
		if err != nil {
			f.fail("no list", s)
		}
		list = append(list, int32(n))
	}
	return list
}

// text reads a JSON string.
func (f *fields) text() string {
	s := f.next()
	if n := len(s); n >= 2 && s[0] == '"' && s[n-1] == '"' && !strings.ContainsAny(s[1:n-1], "\"\\") {
		return s[1 : n-1]
	}
	var t string
	if json.Unmarshal([]byte(s), &t) != nil {
		f.fail("no text", s)
	}
	return t
}

func (f *fields) texts() []string {
	s := f.next()
	if s == "[]" {
		return nil
	}
	// Without a backslash no text holds a quotation mark.
	if inner, ok := strings.CutPrefix(s, `["`); ok && !strings.Contains(s, `\`) {
		if inner, ok = strings.CutSuffix(inner, `"]`); ok {
			list := strings.Split(inner, `","`)
			if !slices.ContainsFunc(list, func(t string) bool { return strings.Contains(t, `"`) }) {
				return list
			}
		}
	}
	var list []string
	if json.Unmarshal([]byte(s), &list) != nil {
		f.fail("no list of texts", s)
	}
	return list
}

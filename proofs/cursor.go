package proofs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// cursor reads one line of JSON from left to right, without building anything of what is
// not asked for: an export has some ten million lines.
type cursor struct {
	b     []byte
	at    int
	depth int
}

var (
	errJSON  = errors.New("not the JSON that was expected")
	errRange = errors.New("number out of range")
)

// maxDepth bounds nesting in a line. What an export nests is three deep.
const maxDepth = 64

func (c *cursor) space() {
	for c.at < len(c.b) && (c.b[c.at] == ' ' || c.b[c.at] == '\t' || c.b[c.at] == '\r' || c.b[c.at] == '\n') {
		c.at++
	}
}

// take moves past b if it comes next.
func (c *cursor) take(b byte) bool {
	c.space()
	if c.at < len(c.b) && c.b[c.at] == b {
		c.at++
		return true
	}
	return false
}

// end reports whether nothing follows.
func (c *cursor) end() bool { c.space(); return c.at == len(c.b) }

// digits reads a number that is whole and not negative, as it is written.
func (c *cursor) digits() ([]byte, error) {
	c.space()
	start := c.at
	for c.at < len(c.b) && c.b[c.at] >= '0' && c.b[c.at] <= '9' {
		c.at++
	}
	d := c.b[start:c.at]
	if len(d) == 0 || len(d) > 1 && d[0] == '0' {
		return nil, errJSON
	}
	return d, nil
}

func (c *cursor) number() (int32, error) {
	d, err := c.digits()
	if err != nil {
		return 0, err
	}
	if len(d) > 10 {
		return 0, errRange
	}
	n := int64(0)
	for _, x := range d {
		n = n*10 + int64(x-'0')
	}
	if n > math.MaxInt32 {
		return 0, errRange
	}
	return int32(n), nil
}

// raw reads a text without its quotes; escaped says that escapes are in it.
func (c *cursor) raw() (text []byte, escaped bool, err error) {
	if !c.take('"') {
		return nil, false, errJSON
	}
	start := c.at
	for ; c.at < len(c.b); c.at++ {
		switch x := c.b[c.at]; {
		case x == '"':
			text = c.b[start:c.at]
			c.at++
			return text, escaped, nil
		case x == '\\':
			escaped = true
			c.at++
		case x < ' ':
			return nil, false, errJSON
		}
	}
	return nil, false, errJSON
}

func (c *cursor) text() (string, error) {
	start := c.at
	raw, escaped, err := c.raw()
	switch {
	case err != nil:
		return "", err
	case !utf8.Valid(raw): // would be replaced, and two texts become one
		return "", errJSON
	case !escaped:
		return string(raw), nil
	}
	var s string
	if err := json.Unmarshal(c.b[start:c.at], &s); err != nil {
		return "", errJSON
	}
	return s, nil
}

// list calls each before every element.
func (c *cursor) list(each func() error) error {
	if !c.take('[') {
		return errJSON
	}
	if c.depth++; c.depth > maxDepth {
		return errJSON
	}
	defer func() { c.depth-- }()
	for first := true; !c.take(']'); first = false {
		if !first && !c.take(',') {
			return errJSON
		}
		if err := each(); err != nil {
			return err
		}
	}
	return nil
}

// numbers adds a list of numbers.
func (c *cursor) numbers(into []int32) ([]int32, error) {
	err := c.list(func() error {
		n, err := c.number()
		into = append(into, n)
		return err
	})
	return into, err
}

// object calls each with every key, before its value.
func (c *cursor) object(each func(key []byte) error) error {
	if !c.take('{') {
		return errJSON
	}
	if c.depth++; c.depth > maxDepth {
		return errJSON
	}
	defer func() { c.depth-- }()
	for first := true; !c.take('}'); first = false {
		if !first && !c.take(',') {
			return errJSON
		}
		key, escaped, err := c.raw()
		if err != nil || escaped || !c.take(':') {
			return errJSON
		}
		if err := each(key); err != nil {
			return err
		}
	}
	return nil
}

// skip reads any value.
func (c *cursor) skip() error {
	c.space()
	if c.at == len(c.b) {
		return errJSON
	}
	switch c.b[c.at] {
	case '{':
		return c.object(func([]byte) error { return c.skip() })
	case '[':
		return c.list(c.skip)
	case '"':
		_, err := c.text()
		return err
	}
	start := c.at
	for c.at < len(c.b) && c.b[c.at] != ',' && c.b[c.at] != ']' && c.b[c.at] != '}' && c.b[c.at] > ' ' {
		c.at++
	}
	if !json.Valid(c.b[start:c.at]) {
		return errJSON
	}
	return nil
}

// field is one member of an object: what it is called and where its value goes. One with
// no place for it need not be there, and its value is not looked at.
type field struct {
	name   string
	number *int32
	list   *[]int32
	text   *string
	flag   *bool
	digits *string
	each   func() error // of a list: reads one element
}

// fields reads an object that has all of these, each once, and no others.
func (c *cursor) fields(want ...field) error {
	seen := uint64(0)
	err := c.object(func(key []byte) error {
		for i := range want {
			f := &want[i]
			if f.name != string(key) {
				continue
			}
			if seen&(1<<i) != 0 {
				return fmt.Errorf("%s twice: %w", f.name, errJSON)
			}
			seen |= 1 << i
			err := c.field(f)
			if err != nil {
				err = fmt.Errorf("%s: %w", f.name, err)
			}
			return err
		}
		return fmt.Errorf("%q is not known: %w", cut(string(key), 40), errJSON)
	})
	if err != nil {
		return err
	}
	for i := range want {
		f := &want[i]
		if seen&(1<<i) == 0 && (f.number != nil || f.list != nil || f.text != nil || f.flag != nil || f.digits != nil || f.each != nil) {
			return fmt.Errorf("no %s: %w", f.name, errJSON)
		}
	}
	return nil
}

func (c *cursor) field(f *field) (err error) {
	switch {
	case f.number != nil:
		*f.number, err = c.number()
	case f.list != nil:
		*f.list, err = c.numbers((*f.list)[:0])
	case f.text != nil:
		*f.text, err = c.text()
	case f.digits != nil:
		var d []byte
		d, err = c.digits()
		*f.digits = string(d)
	case f.flag != nil:
		c.space()
		start := c.at
		err = c.skip()
		*f.flag = string(c.b[start:c.at]) == "true"
		if s := string(c.b[start:c.at]); err == nil && s != "true" && s != "false" {
			err = errJSON
		}
	case f.each != nil:
		err = c.list(f.each)
	default:
		err = c.skip()
	}
	return err
}

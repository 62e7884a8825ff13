package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// constants of kernels/relax.metal. They are read from the kernel's source, so that the
// reference computes what the GPU computes and not what it once computed.
type constants struct {
	Sweeps int     // sweeps of one pass, at least 1
	Decay  float64 // length factor of one sweep, in (0, 1]
	Cos    float64 // cosine and sine of the angle of one sweep
	Sin    float64
}

// maxSweeps bounds a pass: beyond it the points have decayed to nothing and no result
// can tell how many sweeps there were.
const maxSweeps = 4096

// unit is how far kCos² + kSin² may be from 1 for two float32 literals.
const unit = 1e-6

var declaration = regexp.MustCompile(`^\s*constant\s+constexpr\s+(\w+)\s+(\w+)\s*=\s*([^;]*);`)

// readConstants reads the constants from the kernel in file.
func readConstants(file string) (constants, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return constants{}, fmt.Errorf("read the kernel: %w", err)
	}
	c, err := parseConstants(string(text))
	if err != nil {
		return constants{}, fmt.Errorf("%s:%w", file, err)
	}
	return c, nil
}

// parseConstants reads the constants from Metal source. Errors begin with the line's
// number, " " for the file as a whole.
func parseConstants(source string) (constants, error) {
	type literal struct {
		kind, text string
		line       int
	}
	found := map[string]literal{}
	inComment := false
	for i, line := range strings.Split(source, "\n") {
		line, inComment = stripComments(line, inComment)
		m := declaration.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := m[2]
		if earlier, twice := found[name]; twice {
			return constants{}, fmt.Errorf("%d: %s is declared twice, first in line %d", i+1, name, earlier.line)
		}
		found[name] = literal{kind: m[1], text: strings.TrimSpace(m[3]), line: i + 1}
	}

	want := func(name, kind string) (literal, error) {
		l, ok := found[name]
		if !ok {
			return l, fmt.Errorf(" no line `constant constexpr %s %s = …;`", kind, name)
		}
		if l.kind != kind {
			return l, fmt.Errorf("%d: %s has type %s, want %s", l.line, name, l.kind, kind)
		}
		return l, nil
	}
	real := func(name string) (float64, error) {
		l, err := want(name, "float")
		if err != nil {
			return 0, err
		}
		v, err := strconv.ParseFloat(strings.TrimSuffix(l.text, "f"), 32)
		if err != nil {
			return 0, fmt.Errorf("%d: %s = %q is not a decimal literal", l.line, name, l.text)
		}
		return v, nil
	}

	var c constants
	l, err := want("kSweeps", "uint")
	if err != nil {
		return c, err
	}
	sweeps, err := strconv.ParseUint(strings.TrimSuffix(l.text, "u"), 10, 32)
	if err != nil || sweeps < 1 || sweeps > maxSweeps {
		return c, fmt.Errorf("%d: kSweeps = %q is not a number from 1 to %d", l.line, l.text, maxSweeps)
	}
	c.Sweeps = int(sweeps)
	if c.Decay, err = real("kDecay"); err != nil {
		return c, err
	}
	if c.Cos, err = real("kCos"); err != nil {
		return c, err
	}
	if c.Sin, err = real("kSin"); err != nil {
		return c, err
	}
	if !(c.Decay > 0 && c.Decay <= 1) {
		return c, fmt.Errorf("%d: kDecay = %g is not in (0, 1]", found["kDecay"].line, c.Decay)
	}
	if norm := c.Cos*c.Cos + c.Sin*c.Sin; math.Abs(norm-1) > unit {
		return c, fmt.Errorf("%d: kCos² + kSin² = %.9f is not 1", found["kCos"].line, norm)
	}
	return c, nil
}

// stripComments removes the comments of one line. in and the second result say whether
// a block comment is open before and after it.
func stripComments(line string, in bool) (string, bool) {
	var code strings.Builder
	for line != "" {
		if in {
			_, rest, closed := strings.Cut(line, "*/")
			if !closed {
				return code.String(), true
			}
			line, in = rest, false
			continue
		}
		block := strings.Index(line, "/*")
		if eol := strings.Index(line, "//"); eol >= 0 && (block < 0 || eol < block) {
			code.WriteString(line[:eol])
			return code.String(), false
		}
		if block < 0 {
			code.WriteString(line)
			return code.String(), false
		}
		code.WriteString(line[:block])
		line, in = line[block+2:], true
	}
	return code.String(), in
}

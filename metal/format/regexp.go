package format

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Pattern reads lines with a regular expression. Its named groups are value (needed),
// name and unit; any other named group becomes Config.
type Pattern struct {
	re         *regexp.Regexp
	name, unit string
}

// NewPattern compiles a pattern. name is used where the expression has no group of that
// name, and so is unit; a pattern must know its unit one way or the other.
func NewPattern(expr, name, unit string) (*Pattern, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", expr, err)
	}
	switch groups := re.SubexpNames(); {
	case !slices.Contains(groups, "value"):
		return nil, fmt.Errorf("pattern %q has no group (?P<value>…)", expr)
	case unit == "" && !slices.Contains(groups, "unit"):
		return nil, fmt.Errorf("pattern %q has no group (?P<unit>…), and no unit is set", expr)
	}
	for i, g := range re.SubexpNames() {
		if g != "" && slices.Index(re.SubexpNames(), g) != i {
			return nil, fmt.Errorf("pattern %q has the group %s twice", expr, g)
		}
	}
	return &Pattern{re: re, name: name, unit: unit}, nil
}

// Read takes every match on every line of text. Lines without a match are skipped.
func (p *Pattern) Read(text []byte) Output {
	var o Output
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimRight(line, "\r\n")
		for _, at := range p.re.FindAllSubmatchIndex(line, -1) {
			m := Measurement{Name: p.name, Unit: p.unit}
			var value string
			for i, g := range p.re.SubexpNames() {
				if g == "" || at[2*i] < 0 {
					continue
				}
				s := string(line[at[2*i]:at[2*i+1]])
				switch g {
				case "value":
					value = s
				case "name":
					m.Name = s
				case "unit":
					m.Unit = s
				default:
					m.Config = with(m.Config, g, s)
				}
			}
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				var ne *strconv.NumError
				if errors.As(err, &ne) {
					err = ne.Err
				}
				o.errorf(n, "value %.60q: %v", value, err)
				continue
			}
			m.Value = v
			o.add(n, m)
		}
	}
	return o
}

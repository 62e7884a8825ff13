package baseline

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError says which part of a threshold cannot be read.
type SyntaxError struct {
	Text   string // the whole threshold
	Token  string // the offending part; "" if something is missing at the end
	Column int    // 1-based, in bytes of Text; just past the end if something is missing
	Msg    string
	Advice string
}

func (e *SyntaxError) Error() string {
	if e.Token == "" {
		return fmt.Sprintf("threshold %q: %s", e.Text, e.Msg)
	}
	return fmt.Sprintf("threshold %q, at %q (column %d): %s", e.Text, e.Token, e.Column, e.Msg)
}

// Hint tells how to write it.
func (e *SyntaxError) Hint() string { return e.Advice }

const grammar = "write METRIC [key=value …] OP VALUE, for example: async-gain mode=single >= 10%"

// token is a bare or quoted word, or an operator.
type token struct {
	raw    string // as written
	text   string // without quotes
	eq     int    // index in text of the first "=" outside quotes, or -1
	col    int    // 1-based
	op     bool
	quoted bool // some part was quoted
}

// ParseThreshold reads
//
//	METRIC [key=value …] OP VALUE
//
// METRIC is the name or the unit of a sample. OP is >=, <=, > or <. VALUE is a number
// (1.5e6), a percentage (10%: 0.10 of a ratio), a factor (6x), relative to the history:
// "baseline - 5%" or "baseline + 5%", or to the base that was measured in turns with the
// commit: "base - 5%" or "base + 5%". Words with spaces or any of <>=" are
// written in double quotes. The error is a *SyntaxError.
func ParseThreshold(s string) (Threshold, error) {
	t, rest, err := parseMetric(s, "expected key=value or an operator")
	if err != nil {
		return Threshold{}, err
	}
	if len(rest) == 0 {
		return Threshold{}, &SyntaxError{Text: s, Column: len(s) + 1, Msg: "the operator is missing at the end", Advice: grammar}
	}
	t.Op = Op(rest[0].text)
	return parseValue(s, t, rest[1:])
}

// ParseMetric reads the part of a threshold before its operator, METRIC [key=value …]. What
// it returns matches samples as a threshold does. The error is a *SyntaxError.
func ParseMetric(s string) (Threshold, error) {
	t, rest, err := parseMetric(s, "expected key=value")
	if err == nil && len(rest) > 0 {
		err = &SyntaxError{Text: s, Token: rest[0].raw, Column: rest[0].col, Msg: "an operator has no place here", Advice: "write METRIC [key=value …]"}
	}
	if err != nil {
		return Threshold{}, err
	}
	return t, nil
}

// parseMetric reads metric and settings, and returns what follows from the operator on.
func parseMetric(s, expected string) (Threshold, []token, error) {
	toks, err := scan(s)
	if err != nil {
		return Threshold{}, nil, err
	}
	bad := func(t token, advice, format string, args ...any) (Threshold, []token, error) {
		return Threshold{}, nil, &SyntaxError{Text: s, Token: t.raw, Column: t.col, Msg: fmt.Sprintf(format, args...), Advice: advice}
	}
	end := token{col: len(s) + 1}
	if len(toks) == 0 {
		return bad(end, grammar, "empty")
	}
	m := toks[0]
	switch {
	case m.op:
		return bad(m, grammar, "the metric is missing before the operator")
	case m.eq >= 0:
		return bad(m, grammar, "name the metric before its settings")
	case m.text == "":
		return bad(m, grammar, "the metric has no name")
	}
	t := Threshold{Metric: m.text}
	i := 1
	for ; i < len(toks) && !toks[i].op; i++ {
		k := toks[i]
		switch {
		case strings.ContainsAny(k.text, "≥≤≠") && !k.quoted, strings.HasPrefix(k.raw, "="), strings.HasPrefix(k.raw, "!="):
			return bad(k, "the operators are >= <= > <", "not an operator, and not key=value")
		case k.eq < 0:
			return bad(k, "restrict a metric with key=value, as in threads=8; put names with spaces in double quotes", "%s", expected)
		case k.eq == 0 || k.eq == len(k.text)-1 && !k.quoted:
			return bad(k, "write key=value without spaces around the =", "a setting needs a key and a value")
		}
		key, val := k.text[:k.eq], k.text[k.eq+1:]
		if old, dup := t.Config[key]; dup {
			return bad(k, "leave one of them out", "%s is given twice (%s before)", key, old)
		}
		if t.Config == nil {
			t.Config = map[string]string{}
		}
		t.Config[key] = val
	}
	return t, toks[i:], nil
}

const number = `([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)`

var (
	absoluteRE = regexp.MustCompile(`^` + number + ` ?(%|x|s)?$`)
	relativeRE = regexp.MustCompile(`^(baseline|base) ?([+-]) ?` + number + ` ?%$`)
)

// parseValue reads what follows the operator into t.
func parseValue(s string, t Threshold, rest []token) (Threshold, error) {
	at := token{col: len(s) + 1}
	bad := func(advice, format string, args ...any) (Threshold, error) {
		return Threshold{}, &SyntaxError{Text: s, Token: at.raw, Column: at.col, Msg: fmt.Sprintf(format, args...), Advice: advice}
	}
	const values = "write a number, a percentage (10%), a factor (6x), a time (60s), baseline - 5% or base - 5%"
	if len(rest) == 0 {
		return bad(values, "the value is missing after the operator")
	}
	at = rest[0]
	var words []string
	for _, r := range rest {
		if r.op {
			at = r
			return bad("write one threshold for each bound", "a second operator")
		}
		if r.quoted {
			at = r
			return bad(values, "a value is not quoted")
		}
		words = append(words, r.raw)
	}
	text := strings.Join(words, " ")
	num := ""
	if m := absoluteRE.FindStringSubmatch(text); m != nil {
		num, t.Suffix = m[1], m[2]
	} else if m := relativeRE.FindStringSubmatch(text); m != nil {
		if strings.ContainsAny(m[3][:1], "+-") {
			return bad(values, "two signs")
		}
		num, t.Suffix, t.Relative, t.Base = m[2]+m[3], "%", true, m[1] == "base"
	} else {
		switch {
		case text == "baseline" || text == "base":
			return bad("allow for noise: "+text+" - 5%", "a bound exactly at the %s can never be told from noise", text)
		case strings.HasPrefix(text, "base"):
			return bad("write baseline - 5% or baseline + 5%, or base - 5% for a pull request's base", "expected a percentage above or below the baseline")
		case len(rest) > 1:
			at = rest[1]
			return bad(values, "something after the value")
		}
		return bad(values, "not a value")
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil {
		return bad(values, "the number is out of range")
	}
	if v == 0 {
		v = 0 // no negative zero
	}
	switch {
	case t.Relative && v == 0:
		return bad("allow for noise: baseline - 5%", "a bound exactly at the baseline can never be told from noise")
	case t.Relative && v <= -100:
		return bad("write a percentage below 100", "nothing is more than 100 percent below the baseline")
	}
	t.Value = v
	return t, nil
}

// scan cuts a threshold into tokens.
func scan(s string) ([]token, error) {
	var toks []token
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.IsSpace(r) {
			i += n
			continue
		}
		start := i
		t := token{col: i + 1, eq: -1}
		if r == '<' || r == '>' {
			i++
			if i < len(s) && s[i] == '=' {
				i++
			}
			t.op, t.raw, t.text = true, s[start:i], s[start:i]
			toks = append(toks, t)
			continue
		}
		var b strings.Builder
	word:
		for i < len(s) {
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case unicode.IsSpace(r), r == '<', r == '>':
				break word
			case r == '"':
				q, err := strconv.QuotedPrefix(s[i:])
				if err != nil {
					return nil, &SyntaxError{Text: s, Token: s[i:], Column: i + 1, Msg: "a quote that does not end", Advice: `close it, or write \" for a quote inside`}
				}
				u, _ := strconv.Unquote(q)
				b.WriteString(u)
				t.quoted = true
				i += len(q)
			default:
				if r == '=' && t.eq < 0 {
					t.eq = b.Len()
				}
				b.WriteString(s[i : i+n])
				i += n
			}
		}
		t.raw, t.text = s[start:i], b.String()
		toks = append(toks, t)
	}
	return toks, nil
}

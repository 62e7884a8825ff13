package format

import (
	"bytes"
	"maps"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/holdfast-ci/holdfast/runner"
)

// Go reads the Go benchmark format (golang.org/design/14313-benchmark-format). Lines
// that are not of the format are skipped, as it asks for.
//
// "/key=value" parts of a name, the GOMAXPROCS suffix (key "gomaxprocs") and the "pkg"
// line become Config; parts without "=" stay in the name. A "Unit U better=higher" line
// sets the direction.
func Go(text []byte) Output {
	var o Output
	r := benchfmt.NewReader(bytes.NewReader(text), "output")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			o.errorf(rec.Line, "%s", rec.Msg)
		case *benchfmt.Result:
			_, line := rec.Pos()
			name, config := splitName(rec.Name)
			if pkg := rec.GetConfig("pkg"); pkg != "" {
				if _, taken := config["pkg"]; !taken {
					config = with(config, "pkg", pkg)
				}
			}
			for _, v := range rec.Values {
				m := Measurement{Name: name, Config: maps.Clone(config), Unit: v.Unit, Value: v.Value}
				if v.OrigUnit != "" { // tidied already, with a rounding that Tidy spares
					m.Unit, m.Value = v.OrigUnit, v.OrigValue
				}
				switch r.Units().GetBetter(v.Unit) {
				case 1:
					m.Better = runner.HigherIsBetter
				case -1:
					m.Better = runner.LowerIsBetter
				}
				o.add(line, m)
			}
		}
	}
	if err := r.Err(); err != nil {
		o.errorf(0, "%v", err)
	}
	return o
}

// splitName takes a full benchmark name apart. A key that comes twice stays in the name
// from the second time on, so that no two names become one.
func splitName(n benchfmt.Name) (name string, config map[string]string) {
	base, parts := n.Parts()
	var b strings.Builder
	b.Write(base)
	for _, p := range parts {
		part := string(p)
		if procs, ok := strings.CutPrefix(part, "-"); ok {
			if _, taken := config["gomaxprocs"]; !taken {
				config = with(config, "gomaxprocs", procs)
				continue
			}
		}
		key, value, ok := strings.Cut(strings.TrimPrefix(part, "/"), "=")
		if _, taken := config[key]; ok && !taken && key != "" && strings.HasPrefix(part, "/") {
			config = with(config, key, value)
			continue
		}
		b.WriteString(part)
	}
	return b.String(), config
}

func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

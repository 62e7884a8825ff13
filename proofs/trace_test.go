package proofs

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestTrace(t *testing.T) {
	one := diagnostic{level: "warning", file: "A/B.lean", line: 3, column: 8, text: "declaration uses `sorry`"}
	for _, tt := range []struct {
		name, text string
		want       []diagnostic
		bad        bool
	}{
		{name: "number", text: "1234567890123456789\n"},
		{name: "number in hex", text: "0a1b2c3d4e5f6071"},
		{name: "4.10", text: `{"log":[{"level":"warning","message":"././A/B.lean:3:8: declaration uses ` + "`sorry`" + `"}],"depHash":"123"}`, want: []diagnostic{one}},
		{name: "2025", text: `{"schemaVersion":"2025-09-10","synthetic":false,"outputs":{"o":["a.olean"]},"log":[{"message":"A/B.lean:3:8: declaration uses ` + "`sorry`" + `","level":"warning"}],"inputs":[["x","1"]],"depHash":"0a"}`, want: []diagnostic{one}},
		{name: "stand-in", text: `{"shim":1,"depHash":"x","log":[{"level":"trace","message":".> lean"}]}`, want: []diagnostic{{level: "trace", text: ".> lean"}}},
		// In the tool's output this would be two messages, the second without a place.
		{name: "lines that look like messages", text: `{"depHash":"x","log":[{"level":"info","message":"A.lean:1:0: first\nerror: A.lean:9:9: not a message\n✖ [1/2] Building A"}]}`, want: []diagnostic{{level: "info", file: "A.lean", line: 1, text: "first\nerror: A.lean:9:9: not a message\n✖ [1/2] Building A"}}},
		{name: "no log", text: `{"depHash":"x"}`},
		{name: "empty", bad: true},
		{name: "cut", text: `{"depHash":"x","log":[{"lev`, bad: true},
		{name: "something else", text: `{"name":"x"}`, bad: true},
		{name: "list", text: `[1]`, bad: true},
	} {
		got, dropped, ok := parseTrace([]byte(tt.text))
		if ok == tt.bad || dropped != 0 || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %+v %d %v, want %+v", tt.name, got, dropped, ok, tt.want)
		}
	}
	many := `{"depHash":"x","log":[` + strings.Repeat(`{"level":"info","message":"m"},`, 500) + `{"level":"info","message":"m"}]}`
	if got, dropped, ok := parseTrace([]byte(many)); !ok || len(got) != maxDiagnostics || dropped != 501-maxDiagnostics {
		t.Errorf("%d messages, %d dropped, %v", len(got), dropped, ok)
	}
}

func FuzzTrace(f *testing.F) {
	f.Add([]byte("17"), "A.lean:1:2: text")
	f.Add([]byte(`{"log":[{"level":"error","message":"A.lean:99999999999999999999:1: x"}],"depHash":"1"}`), "")
	f.Add([]byte(`{"log":null,"depHash":null}`), "a b.lean:1:2: x\ny")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		list, dropped, ok := parseTrace(b)
		if !ok && (len(list) > 0 || dropped > 0) {
			t.Error("messages of no trace")
		}
		if len(list) > maxDiagnostics {
			t.Errorf("%d messages", len(list))
		}
		for _, d := range list {
			if len(d.text) > maxText+len("…") || d.line < 0 || d.column < 0 || !slices.Contains([]string{"trace", "info", "warning", "error"}, d.level) {
				t.Errorf("%+v", d)
			}
		}
		// What a trace holds is one message, whatever is in it.
		text = strings.ToValidUTF8(text, "?")
		log, err := json.Marshal(map[string]any{"depHash": "1", "log": []any{map[string]string{"level": "info", "message": text}}})
		if err != nil {
			t.Fatal(err)
		}
		if list, _, ok := parseTrace(log); !ok || len(list) != 1 {
			t.Errorf("%q: %+v %v", text, list, ok)
		}
	})
}

func TestMessage(t *testing.T) {
	line := `{"severity":"warning","pos":{"line":3,"column":8},"keepFullRange":false,"kind":"hasSorry","isSilent":false,"fileName":"/x/A.lean","endPos":{"line":3,"column":11},"data":"declaration uses ` + "`sorry`" + `","caption":""}`
	m, ok := parseMessage(line)
	if d := m.diagnostic("A.lean"); !ok || d != (diagnostic{level: "warning", file: "A.lean", line: 3, column: 8, endLine: 3, endColumn: 11, kind: "hasSorry", text: "declaration uses `sorry`"}) {
		t.Errorf("%+v %v", d, ok)
	}
	m, ok = parseMessage(`{"severity":"information","pos":{"line":1,"column":0},"fileName":"","data":" two ","caption":"one","endPos":null,"kind":"[anonymous]"}`)
	if d := m.diagnostic("A.lean"); !ok || d.level != "info" || d.text != "one:\ntwo" || d.endLine != 0 {
		t.Errorf("%+v %v", d, ok)
	}
	for _, s := range []string{"", "hello", "{}", `{"severity":"error"}`, `{"severity":"fatal","pos":{"line":1,"column":0},"data":""}`, `{"severity":"error","pos":{"line":0,"column":0},"data":""}`, `{"severity":"error","pos":{"line":1,"column":0},"data":7}`} {
		if m, ok := parseMessage(s); ok {
			t.Errorf("%q: %+v", s, m)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(`{"severity":"error","pos":{"line":1,"column":2},"endPos":{"line":1,"column":3},"data":"x","kind":"k"}`)
	f.Add(`{"severity":"error","pos":{"line":1,"column":-2},"endPos":{"line":-1,"column":-3},"data":"x"}`)
	f.Fuzz(func(t *testing.T, line string) {
		m, ok := parseMessage(line)
		if !ok {
			return
		}
		d := m.diagnostic("A.lean")
		if d.line < 1 || d.column < 0 || d.endLine != 0 && d.endLine < d.line || d.endColumn < 0 || len(d.text) > maxText+len("…") {
			t.Errorf("%+v", d)
		}
		// What we write ourselves reads back the same.
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if again, ok := parseMessage(string(b)); !ok || again.diagnostic("A.lean") != d {
			t.Errorf("%q reads back as %+v", b, again)
		}
	})
}

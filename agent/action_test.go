package agent

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The action runs the command as it is, and no input of a workflow stands in a script,
// where it would be run.
func TestAction(t *testing.T) {
	text, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var scripts []string
	inside := -1
	for line := range strings.SplitSeq(string(text), "\n") {
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		if inside >= 0 && body != "" && indent <= inside {
			inside = -1
		}
		if rest, ok := strings.CutPrefix(body, "run:"); ok {
			inside, body = indent, rest
		}
		if inside >= 0 {
			scripts = append(scripts, body)
		}
	}
	all := strings.Join(scripts, "\n")
	if strings.Contains(all, "${{") || !strings.Contains(all, "holdfast\" actions ") {
		t.Errorf("scripts of the action:\n%s", all)
	}
	var out bytes.Buffer
	if code := Main(t.Context(), []string{"actions", "-h"}, nil, &out, &out); code != ExitSuccess {
		t.Fatal(code)
	}
	used := regexp.MustCompile(`--([a-z-]+)=`).FindAllStringSubmatch(all, -1)
	if len(used) < 4 {
		t.Errorf("flags %v", used)
	}
	for _, f := range used {
		if !regexp.MustCompile(`(?m)^  -` + f[1] + `\b`).Match(out.Bytes()) {
			t.Errorf("no flag %s", f[1])
		}
	}
	var inputs, taken []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+):\n    description`).FindAllSubmatch(text, -1) {
		inputs = append(inputs, string(m[1]))
	}
	for _, m := range regexp.MustCompile(`inputs\.([a-z-]+)`).FindAllSubmatch(text, -1) {
		taken = append(taken, string(m[1]))
	}
	for _, name := range taken {
		if !slices.Contains(inputs, name) {
			t.Errorf("input %s is not declared", name)
		}
	}
	if len(taken) < 6 {
		t.Errorf("inputs %v", taken)
	}
}

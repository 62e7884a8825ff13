package checks

import (
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestPacksSeeBranches: what a pack forbids is found in every branch of an #if, nothing is
// made up by mixing branches, and a body that an #if cuts apart is never a pass.
func TestPacksSeeBranches(t *testing.T) {
	const late = "[b commit]; [b addCompletedHandler:h];"
	const fine = "[b addCompletedHandler:h]; [b commit];"
	for _, tt := range []struct{ name, src, outcome, reason string }{
		{"the first branch", "void f() {\n#if A\n" + late + "\n#else\n" + fine + "\n#endif\n}", runner.Fail, "1 place"},
		{"the last branch", "void f() {\n#if A\n" + fine + "\n#elif B\n" + fine + "\n#else\n" + late + "\n#endif\n}", runner.Fail, "1 place"},
		{"every branch", "void f() {\n#if A\n" + late + "\n#elif B\n" + late + "\n#else\n" + late + "\n#endif\n}", runner.Fail, "3 places"},
		{"a branch in a branch", "void f() {\n#if A\n#if B\n" + fine + "\n#else\n" + late + "\n#endif\n#else\n#ifdef C\n" + fine + "\n#else\n" + late + "\n#endif\n#endif\n}", runner.Fail, "2 places"},
		{"behind #if 0", "void f() {\n#if 0\n" + late + "\n#else\n" + late + "\n#endif\n}", runner.Fail, "1 place"},
		{"in #if 0", "void f() {\n#if 0\n" + late + "\n#else\n" + fine + "\n#endif\n}", runner.Pass, "0 places in 1 file, 1 body followed"},
		{"functions in branches", "#if A\nvoid f() {" + fine + "}\n#else\nvoid f() {" + late + "}\n#endif\n", runner.Fail, "1 place"},
		{"a commit in one, a handler in the other", "void f() {\n#if A\n[b commit];\n#else\n[b addCompletedHandler:h];\n#endif\n}", runner.Pass, ""},
		{"a commit only sometimes", "void f() {\n#if A\n[b commit];\n#endif\n[b addCompletedHandler:h];\n}", runner.Pass, ""},
		{"a block with two heads", "void f() {\n#if A\nif (x) {\n#else\nif (y) {\n#endif\n" + late + "\n}\n}", runner.Fail, "1 place in 1 file: "},
		{"a block with two heads that is fine", "void f() {\n#if A\nif (x) {\n#else\nif (y) {\n#endif\n" + fine + "\n}\n}", runner.Pass, ""},
		{"a case more", "void f() {\nif (x) {\n" + fine + "\n#if A\n} else if (y) {\n" + late + "\n#endif\n} else {\n" + late + "\n}\n}", runner.Fail, "2 places in 1 file: "},
		{"a block under one condition", "void f() {\n#if A\nif (x) {\n#endif\n" + late + "\n#if A\n}\n#endif\n}", runner.Fail, "1 place in 1 file: "},
		{"a block under two conditions", "void f() {\n#if A\nif (x) {\n#endif\n" + fine + "\n#if B\n}\n#endif\n}", runner.RuleError, "there only under an #if"},
		{"a body cut apart", "#if A\nvoid f(int) {\n#else\nvoid f() {\n#endif\n" + fine + "\n}", runner.RuleError, "an #if cuts f apart, so it was not followed"},
		{"another body cut apart", "#if A\nvoid g(int) {\n#else\nvoid g() {\n#endif\n}\nvoid f() {" + fine + "}", runner.Pass, ""},
		{"cut apart, and wrong elsewhere", "#if A\nvoid g(int) {\n#else\nvoid g() {\n#endif\n" + fine + "\n}\nvoid f() {" + late + "}", runner.Fail, "an #if cuts g apart"},
		{"many branches that do nothing", "int g() {\n#if A0\nreturn 1;" + strings.Repeat("\n#elif A\nreturn 0;", 40) + "\n#endif\n}\nvoid f() {" + fine + "}", runner.Pass, ""},
		{"more branches than are followed", "void f() {\n#if A0\n" + fine + strings.Repeat("\n#elif A\n"+fine, 40) + "\n#endif\n}", runner.RuleError, "so many branches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := run(t, lay(t, map[string]string{DefaultRuleFile: "packs = ['metal']\n", "a.mm": tt.src}), Config{})
			for _, r := range res.Checks.Rules {
				if r.ID == "metal.handler-after-commit" && (r.Outcome != tt.outcome || !strings.Contains(r.Reason, tt.reason)) {
					t.Errorf("%s: %s, want %s: %s", r.Outcome, r.Reason, tt.outcome, tt.reason)
				}
			}
		})
	}
}

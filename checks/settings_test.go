package checks

import (
	"reflect"
	"strings"
	"testing"
)

// TestSettings: what explain shows of a rule is a rule file that means the same.
func TestSettings(t *testing.T) {
	for _, text := range []string{
		"kind = 'absent'\npattern = 'it''s'\nview = 'raw'",
		"kind = 'match'\npatterns = ['a+']\nany = true",
		"kind = 'count'\ntokens = ['f()', 'g()']\nmin = 1\nmax = 0x10\neach = true",
		"kind = 'scope'\nforbid = { call = 'wait.*' }\nwhile_live = 'lock'\nsynchronous = 'run'",
		"kind = 'scope'\nrequire = ['a()', '/b+/']\nwhile_live = { of = 'm_', guards = ['G', 'H'] }",
		"kind = 'scope'\nforbid = 'a()'\nwhile_live = { locks = true, acquire = 'take($R)', release = 'give($R)' }\nvacuous = 'fail'",
		"kind = 'order'\nforbid_after = { event = '[$R commit]', then = ['[$R a]', { call = 'b' }] }\nreset = '$R = '",
		"kind = 'near'\nwhen = 'a()'\nrequire = 'b()'\nunless = 'c()'\nlines = 5\nside = 'before'",
		"kind = 'typestate'\ntypestate = { enter = 'commit', forbid = 'commit', when = 'entered' }",
		"kind = 'json'\nconditions = ['a = 1', 'b exists']\nnewer_than = 'src/*'\non_missing = 'skip'\nseverity = 'warn'",
	} {
		text = strings.ReplaceAll(text, "'it''s'", `"it's"`)
		head := "[[rule]]\nid = 'R'\nfiles = ['x']\n"
		first, err := Load("a.toml", []byte(head+text+"\n"))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		again := head + "kind = '" + first.Rules[0].Kind + "'\n" + strings.Join(first.Rules[0].Settings(), "\n") + "\n"
		second, err := Load("a.toml", []byte(again))
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if !reflect.DeepEqual(first.Rules[0], second.Rules[0]) {
			t.Errorf("%s\nis shown as\n%s", text, again)
		}
	}
}

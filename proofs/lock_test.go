package proofs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

const h1, h2 = "0123456789abcdef", "fedcba9876543210"

func TestParseLock(t *testing.T) {
	text := "holdfast-proofs 1 term/1\n" +
		"# what the readme promises\n" +
		h1 + " " + h2 + " Classical.choice,propext Pool.safe\n\t∀ p,\n\t  p = p\n\n" +
		h2 + " - - «a b, c».d\n" +
		h2 + " - propext,«x, y».z a\r\n" +
		"# the end\n"
	l, err := parseLock("proofs.lock", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if l.scheme != "term/1" || !slices.Equal(l.names(), []string{"Pool.safe", "a", "«a b, c».d"}) {
		t.Errorf("%+v", l)
	}
	safe := l.list[l.byName["Pool.safe"]]
	if safe.line != 3 || safe.hash != h1 || safe.meaning != h2 || !slices.Equal(safe.axioms, []string{"Classical.choice", "propext"}) || safe.statement != "∀ p,\n  p = p" {
		t.Errorf("%+v", safe)
	}
	if a := l.list[l.byName["a"]]; !slices.Equal(a.axioms, []string{"propext", "«x, y».z"}) || a.meaning != "" {
		t.Errorf("%+v", a)
	}
	want := "holdfast-proofs 1 term/1\n" +
		"# what the readme promises\n" +
		h1 + " " + h2 + " Classical.choice,propext Pool.safe\n\t∀ p,\n\t  p = p\n" +
		h2 + " - propext,«x, y».z a\n" +
		h2 + " - - «a b, c».d\n" +
		"# the end\n"
	if got := string(l.format()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParseLockFaults(t *testing.T) {
	head := "holdfast-proofs 1 term/1\n"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "proofs.lock:1:1: empty"},
		{"something else", "{}\n", "proofs.lock:1:1: not a list of promised theorems"},
		{"a later format", "holdfast-proofs 2 term/1\n", `proofs.lock:1:17: format "2" is not known here, want 1`},
		{"no scheme", "holdfast-proofs 1 \n", "proofs.lock:1:19:"},
		{"no hash", head + "Pool.safe\n", `proofs.lock:2:1: "Pool.safe" is no hash`},
		{"a conflict", head + "<<<<<<< HEAD\n", "proofs.lock:2:1:"},
		{"upper case", head + strings.ToUpper(h1) + " - - a\n", "proofs.lock:2:1:"},
		{"no meaning", head + h1 + " x - a\n", "proofs.lock:2:18:"},
		{"no name", head + h1 + " - -\n", "proofs.lock:2:20: no name"},
		{"an empty name", head + h1 + " - - \n", "proofs.lock:2:22:"},
		{"two names", head + h1 + " - - a b\n", `proofs.lock:2:22: "a b" is no name`},
		{"an open quote", head + h1 + " - - «a\n", "is no name of a theorem"},
		{"axioms out of order", head + h1 + " - b,a x\n", "not sorted"},
		{"an axiom twice", head + h1 + " - a,a x\n", "there twice"},
		{"a comma too many", head + h1 + " - a, x\n", "axiom without a name"},
		{"twice", head + h1 + " - - a\n" + h2 + " - - a\n", "proofs.lock:3:22: a is promised twice, first in line 2"},
		{"a statement of nothing", head + "\tp\n", "proofs.lock:2:1: a printed statement that belongs to no theorem"},
		{"text that runs backwards", head + h1 + " - - a\n\tp \u202e q\n", "proofs.lock:3:1: a character that cannot be seen"},
		{"bytes that are no text", head + h1 + " - - a\xff\n", "proofs.lock:2:1: a character"},
		{"a long line", head + "# " + strings.Repeat("x", maxLockLine) + "\n", "proofs.lock:2:1: line of more than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseLock("proofs.lock", []byte(tt.text))
			var se *SyntaxError
			if !errors.As(err, &se) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	// A bad line does not hide the next one.
	_, err := parseLock("proofs.lock", []byte(head+"x\n"+h1+" - - a\ny\n"))
	if err == nil || len(unjoin(err)) != 2 {
		t.Errorf("%v", err)
	}
	_, err = parseLock("proofs.lock", []byte(head+strings.Repeat("x\n", 1000)))
	if len(unjoin(err)) != maxLockFault {
		t.Errorf("%d errors", len(unjoin(err)))
	}
}

func FuzzLock(f *testing.F) {
	head := "holdfast-proofs 1 term/1\n"
	for _, s := range []string{"", head, head + h1 + " " + h2 + " a,b c.«d e»\n\t \n\tx\n# c\n" + h2 + " - - a\n\t\ty \n", head + "# \u202e\n\tz\n", "holdfast-proofs 1 print/1\r\n" + h1 + " - «,»,a b\r\n\tq\r\n#\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseLock("proofs.lock", b)
		if err != nil {
			for _, e := range unjoin(err) {
				var se *SyntaxError
				if !errors.As(e, &se) || se.Line < 1 || se.Column < 1 {
					t.Errorf("%v", e)
				}
			}
			return
		}
		text := l.format()
		again, err := parseLock("proofs.lock", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !bytes.Equal(again.format(), text) || !slices.Equal(again.names(), l.names()) {
			t.Errorf("%q\n%q", text, again.format())
		}
		for _, p := range l.list {
			q := again.list[again.byName[p.name]]
			if p.hash != q.hash || p.meaning != q.meaning || !slices.Equal(p.axioms, q.axioms) {
				t.Errorf("%+v %+v", p, q)
			}
		}
	})
}

func TestLockCheck(t *testing.T) {
	promise := thm("a", "p", "propext")
	for _, tt := range []struct {
		name  string
		head  *runner.Proofs
		drift string // "change verdict: part of the reason"
		err   string
	}{
		{name: "holds", head: inv(promise)},
		{name: "rests on less", head: inv(thm("a", "p"))},
		{name: "gone", head: inv(), drift: "lost failure: does not exist"},
		{name: "not found", head: edit(inv(thm("b", "q")), brokenModule), drift: "unchecked error: the inventory is not complete"},
		{name: "changed", head: inv(thm("a", "q", "propext")), drift: "changed failure: states something else"},
		{name: "redefined", head: inv(with(promise, func(t *runner.Theorem) { t.Meaning = hash("x") })), drift: "redefined failure: a definition below"},
		{name: "another axiom", head: inv(thm("a", "p", "Quot.sound", "propext")), drift: "new-axiom failure: rests on axiom Quot.sound, which the promise does not list"},
		{name: "native", head: inv(thm("a", "p", "Lean.ofReduceBool")), drift: "new-native failure: native evaluation"},
		{name: "sorry", head: inv(thm("a", "p", "propext", "sorryAx")), drift: "new-sorry failure: rests on sorry"},
		{name: "sorry and something else", head: inv(thm("a", "q", "sorryAx")), drift: "changed failure: rests on sorry"},
		{name: "an axiom now", head: inv(axiom("a", "p")), drift: "new-axiom failure: promised as a theorem"},
		{name: "no hash", head: inv(with(promise, noHash)), drift: "unchecked error: has no hash of it"},
		{name: "not judged", head: inv(with(promise, func(t *runner.Theorem) { t.Verdict = runner.Error })), drift: "unchecked error: could not be judged"},
		{name: "rejected", head: edit(inv(promise), func(p *runner.Proofs) {
			p.Replay.Rejected = []runner.Rejected{{Module: "M", Declaration: "a", Text: "no"}}
		}), drift: "kernel-rejected failure: was rejected by the kernel: no"},
		{name: "private twins, one as promised", head: inv(with(thm("a", "q"), func(t *runner.Theorem) { t.Module = "N" }), promise)},
		{name: "another scheme", head: edit(inv(promise), func(p *runner.Proofs) { p.Scheme = "print/1" }), err: "its hashes are of scheme term/1, those of the inventory of print/1"},
		{name: "nothing listed", head: &runner.Proofs{Modules: inv().Modules}, err: "1 promise of proofs.lock cannot be compared: the theorems are not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := lockOf(t, "term/1", promise).check(tt.head)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if !slices.Equal(got.Promised, []string{"a"}) || got.File != "proofs.lock" {
				t.Errorf("%+v", got)
			}
			if len(got.Drift) == 0 {
				if tt.drift != "" {
					t.Errorf("no drift, want %s", tt.drift)
				}
				return
			}
			e := got.Drift[0]
			head, part, _ := strings.Cut(tt.drift, ": ")
			if len(got.Drift) != 1 || e.Change+" "+string(e.Verdict) != head || !strings.Contains(e.Reason, part) || e.File != "proofs.lock" || e.Line != 2 {
				t.Errorf("%+v, want %s", e, tt.drift)
			}
		})
	}
}

func TestReadLock(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(outside, []byte("holdfast-proofs 1 term/1\n"), 0o644)
	dir := tree(t, map[string]string{"docs/promises": "holdfast-proofs 1 term/1\n", "bad": "x\n"})
	os.Symlink(outside, filepath.Join(dir, "link"))
	os.Symlink(filepath.Join("docs", "promises"), filepath.Join(dir, "inner"))
	for _, tt := range []struct{ name, err string }{
		{"", ""},
		{"docs/promises", ""},
		{"inner", ""},
		{"nowhere", "there is no nowhere"},
		{"docs", "docs is not a regular file"},
		{"../up", "lies outside"},
		{"link", "link cannot be read"},
		{"bad", "bad:1:1: not a list"},
	} {
		l, err := readLock(dir, tt.name)
		if (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), outside)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if (l != nil) != (tt.name != "" && tt.name != "nowhere" && tt.name != "../up") {
			t.Errorf("%s: %+v", tt.name, l)
		}
	}
}

func TestWriteLock(t *testing.T) {
	a, b := thm("a", "p", "propext"), thm("b", "q")
	sorry := with(thm("s", "q", "sorryAx"), func(t *runner.Theorem) { t.Verdict, t.Reason = runner.Failure, "rests on sorry" })
	debt := with(sorry, func(t *runner.Theorem) {
		t.Name, t.Verdict, t.Reason = "d", runner.Neutral, "rests on sorry (old debt: it did at the base)"
	})
	twin := func(m string) runner.Theorem {
		return with(thm("t", "q"), func(t *runner.Theorem) { t.Module, t.File = m, m+".lean" })
	}
	odd := thm("two words", "q")
	own := axiom("own", "False")
	p := inv(a, b, sorry, debt, twin("M"), twin("N"), odd, own)
	head := "holdfast-proofs 1 term/1\n"
	lineA, lineB := a.Hash+" "+a.Meaning+" propext a\n\tp\n", b.Hash+" "+b.Meaning+" - b\n\tq\n"
	stale := head + "# kept\n" + h1 + " " + h2 + " - a\n\told\n"
	for _, tt := range []struct {
		name    string
		old     string
		p       *runner.Proofs
		u       LockUpdate
		want    string
		changes []string
		err     string
	}{
		{name: "a first one", u: LockUpdate{Add: []string{"b", "a", "a"}}, want: head + lineA + lineB, changes: []string{"promises: b", "promises: a"}},
		{name: "all that holds", u: LockUpdate{All: true}, want: head + lineA + lineB, changes: []string{"promises: a", "promises: b"}},
		{name: "fresh", old: head + lineA, want: head + lineA},
		{name: "refreshed", old: stale, want: head + "# kept\n" + lineA, changes: []string{"a: the statement changed\n  was: old\n  now: p", "a: axioms none → propext"}},
		{name: "refreshed meaning", old: head + a.Hash + " " + h2 + " propext a\n", want: head + lineA, changes: []string{"a: a definition below the statement changed"}},
		{name: "added and removed", old: head + lineA, u: LockUpdate{Add: []string{"b"}, Remove: []string{"a"}}, want: head + lineB, changes: []string{"promises no longer: a", "promises: b"}},
		{name: "another scheme", old: "holdfast-proofs 1 print/1\n" + h1 + " - - b\n", want: head + lineB, changes: []string{"hashes: print/1 → term/1", "b: the statement changed"}},
		{name: "not there", u: LockUpdate{Add: []string{"x", "y"}}, err: "x does not exist\ny does not exist"},
		{name: "gone", old: head + h1 + " - - x\n", err: "proofs.lock:2: x does not exist"},
		{name: "not promised", u: LockUpdate{Remove: []string{"a"}}, err: "a is not promised"},
		{name: "on sorry", u: LockUpdate{Add: []string{"s"}}, err: "s does not hold: it rests on sorry"},
		{name: "old debt", u: LockUpdate{Add: []string{"d"}}, err: "d does not hold: it rests on sorry (old debt"},
		{name: "two of the name", u: LockUpdate{Add: []string{"t"}}, err: "t is the name of 2 theorems, first in M.lean and N.lean"},
		{name: "an axiom", u: LockUpdate{Add: []string{"own"}}, err: "own is an axiom"},
		{name: "a name that cannot be written", u: LockUpdate{Add: []string{"two words"}}, err: `the name "two words" cannot be written`},
		{name: "not complete", p: edit(inv(a), brokenModule), u: LockUpdate{All: true}, err: "not complete"},
		{name: "no hashes", p: edit(inv(a), noScheme), u: LockUpdate{All: true}, err: "has no hashes"},
		{name: "a broken file", old: "x\n", u: LockUpdate{All: true}, err: "proofs.lock:1:1: not a list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.p == nil {
				tt.p = p
			}
			var old []byte
			if tt.old != "" {
				old = []byte(tt.old)
			}
			text, changes, err := WriteLock("proofs.lock", old, tt.p, tt.u)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || text != nil {
					t.Errorf("%v, want %s", err, tt.err)
				}
				return
			}
			if err != nil || string(text) != tt.want || !slices.Equal(changes, tt.changes) {
				t.Errorf("%v\n%s\n%q\nwant\n%s\n%q", err, text, changes, tt.want, tt.changes)
			}
			// What is written holds.
			l, err := parseLock("proofs.lock", text)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := l.check(tt.p); err != nil || len(found.Drift) > 0 {
				t.Errorf("%v %+v", err, found.Drift)
			}
		})
	}
}

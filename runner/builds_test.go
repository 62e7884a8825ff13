package runner

import "testing"

// Only what was built now has a time, and the whole has one only if all of it was.
func TestBuildSamples(t *testing.T) {
	p := Proofs{Fresh: true, Modules: []Module{
		{Name: "Pool", Verdict: Success, Seconds: 2}, {Name: "Pool.Lock", Verdict: Success, Seconds: 3},
	}}
	s := p.Samples()
	if len(s) != 3 || s[1].Key() != "lean-build/module=Pool.Lock sec" || s[2].Key() != "lean-build-total sec" || s[2].Values[0] != 5 {
		t.Errorf("%+v", s)
	}
	for name, change := range map[string]func(*Proofs){
		"incremental": func(p *Proofs) { p.Fresh = false },
		"reused":      func(p *Proofs) { p.Modules[0].Reused = true },
		"broken":      func(p *Proofs) { p.Modules[0].Verdict = Failure },
		"no time":     func(p *Proofs) { p.Modules[0].Seconds = 0 },
	} {
		q := p
		q.Modules = append([]Module(nil), p.Modules...)
		change(&q)
		for _, s := range q.Samples() {
			if s.Name == LeanBuildTotal {
				t.Errorf("%s: there is a total", name)
			}
		}
		if n := len(q.Samples()); n != 1 && name != "incremental" {
			t.Errorf("%s: %d samples", name, n)
		}
	}
}

package runner

// Names of the build times of the proofs stage, among samples and thresholds.
const (
	LeanBuild      = "lean-build"       // of one module, config module=NAME
	LeanBuildTotal = "lean-build-total" // of all modules together, of a build from nothing
)

// Samples are the build times of this run in seconds, one value each: of every module that
// was built now, and, when everything was built from nothing, their sum. What was reused or
// did not build has no time.
func (p *Proofs) Samples() []Sample {
	var out []Sample
	total, whole := 0.0, p.Fresh && len(p.Modules) > 0
	for i := range p.Modules {
		m := &p.Modules[i]
		if m.Verdict != Success || m.Reused || !(m.Seconds > 0) {
			whole = false
			continue
		}
		total += m.Seconds
		out = append(out, Sample{
			Name: LeanBuild, Unit: "sec", Config: map[string]string{"module": m.Name}, Better: LowerIsBetter,
			Values: []float64{m.Seconds}, Source: "lake",
		})
	}
	if whole {
		out = append(out, Sample{Name: LeanBuildTotal, Unit: "sec", Better: LowerIsBetter, Values: []float64{total}, Source: "lake", Derived: true})
	}
	return out
}

package runner

// Verdict says what one examination told about a commit. The zero value is not a
// verdict; a Result without one is treated as [Error].
type Verdict string

const (
	// Success: everything that was asked was examined, and it holds.
	Success Verdict = "success"
	// Failure: the change is bad.
	Failure Verdict = "failure"
	// Error: we could not tell. A missing tool, an unbuilt module, zero files matched
	// and a killed child are all errors, never successes.
	Error Verdict = "error"
	// Neutral: the question does not apply here; the reason says why.
	Neutral Verdict = "neutral"
)

// Valid reports whether v is one of the four verdicts.
func (v Verdict) Valid() bool { return v.rank() > 0 }

// rank orders verdicts by what a reader must hear first.
func (v Verdict) rank() int {
	switch v {
	case Failure:
		return 4
	case Error:
		return 3
	case Success:
		return 2
	case Neutral:
		return 1
	}
	return 0
}

// Worst folds the verdicts of several examinations into one. A failure outranks an
// error: a change known to be bad stays bad even when something else could not be
// told. No verdicts at all, or one that is not valid, is [Error].
func Worst(vs ...Verdict) Verdict {
	if len(vs) == 0 {
		return Error
	}
	worst := Neutral
	for _, v := range vs {
		if !v.Valid() {
			v = Error
		}
		if v.rank() > worst.rank() {
			worst = v
		}
	}
	return worst
}

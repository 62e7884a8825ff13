package checks

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// acknowledge applies the acknowledgements to judged rules. A failure that is
// acknowledged becomes a warning; one whose acknowledgement expired stays what it is and
// says so. What nothing needs is an error of its own, in the rows returned in addition.
// partial says that some program could not be read, so that an unknown id tells nothing.
func acknowledge(rows []row, acks []Ack, now time.Time, partial bool) []row {
	byID := map[string]int{}
	for i, r := range rows {
		if _, ok := byID[r.ID]; !ok {
			byID[r.ID] = i
		}
	}
	var extra []row
	for _, a := range acks {
		i, known := byID[a.ID]
		why := ""
		switch {
		case !known && partial:
		case !known:
			why = "no rule has this id"
		case rows[i].Outcome == runner.RuleError, rows[i].Outcome == runner.Skip: // nothing is known about its use
		case rows[i].Outcome == runner.Pass:
			why = "the rule passes"
		default:
			why = a.apply(&rows[i], now)
		}
		if why != "" && !a.Until.expired(now) {
			extra = append(extra, a.problem("it is not used: "+why+"; remove it"))
		}
	}
	return extra
}

// expired are errors for the acknowledgements that are over, whether or not something needs
// them: an end that nobody notices is none.
func expired(acks []Ack, now time.Time) []row {
	var out []row
	for _, a := range acks {
		if a.Until.expired(now) {
			out = append(out, a.problem(fmt.Sprintf("it expired after %s: remove it with its cause, or have %s decide anew", a.Until, a.Owner)))
		}
	}
	return out
}

// apply acknowledges one row. It returns why it does not apply, "" if it does.
func (a Ack) apply(r *row, now time.Time) string {
	if r.Ack != nil && (r.Outcome == runner.Warn) && a.File == "" {
		return "the rule is acknowledged already"
	}
	var rest []runner.Evidence
	covered := 0
	if a.File != "" {
		for _, e := range r.Evidence {
			if e.File == a.File {
				covered++
			} else {
				rest = append(rest, e)
			}
		}
		if covered == 0 {
			return "the rule finds nothing in " + a.File
		}
	}
	if a.Until.expired(now) {
		r.Reason += fmt.Sprintf("; its acknowledgement by %s expired after %s", a.Owner, a.Until)
		r.expired = true
		return ""
	}
	if len(rest) > 0 || a.File != "" && r.cut > 0 {
		r.Reason += fmt.Sprintf("; %s in %s acknowledged until %s", plural(covered, "place"), a.File, a.Until)
		r.Evidence = rest
		r.lacks = slices.DeleteFunc(r.lacks, func(l lack) bool { return l.file == a.File })
		return ""
	}
	r.Outcome = runner.Warn
	r.Ack = &runner.Ack{Reason: a.Reason, Owner: a.Owner, Until: a.Until.String()}
	return ""
}

func (a Ack) problem(reason string) row {
	return row{Rule: runner.Rule{
		ID: "ack/" + a.ID, Title: "acknowledgement of " + a.ID, Outcome: runner.RuleError, Source: a.Source, Reason: reason,
	}}
}

// unique makes ids unique: the id is what results of different runs are compared by. Of
// two rows with one id, the later one gets the name of its source in front.
func unique(rows []row) {
	seen := map[string]bool{}
	for i := range rows {
		id := rows[i].ID
		for n := 1; seen[id]; n++ {
			if id = rows[i].Source + "/" + rows[i].ID; n > 1 {
				id = fmt.Sprintf("%s#%d", id, n)
			}
		}
		rows[i].ID = id
		seen[id] = true
	}
}

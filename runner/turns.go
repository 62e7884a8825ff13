package runner

// Turns is one benchmark, measured on base and head in turns: in blocks of base, head, head,
// base or the other way round, drawn at random. Every value is one run of a program, or one
// round of the built-in harness; Base and Head have two values from each block, the i-th block's at 2i and
// 2i+1, so they are equally long.
type Turns struct {
	Name   string            `json:"name"`
	Unit   string            `json:"unit"`
	Config map[string]string `json:"config,omitempty"`
	Better string            `json:"better,omitempty"`
	Source string            `json:"source,omitempty"` // the program's name, or "harness metal"
	Base   []float64         `json:"base"`
	Head   []float64         `json:"head"`
	// Looks are the numbers of blocks at which it was to be decided whether that is enough,
	// fixed before anything was measured and ascending. Measuring ended at one of them.
	Looks []int `json:"looks"`
	// Unsettled are the blocks, from 0, in which a process measured whose warm-up did not
	// settle, and UnsettledAgain those of the repetition: they make nothing red.
	Unsettled      []int `json:"unsettled,omitempty"`
	UnsettledAgain []int `json:"unsettled_again,omitempty"`
	// BaseAgain and HeadAgain are an independent repetition that was made because the first
	// one made a regression suspect. Nil if there was none.
	BaseAgain []float64 `json:"base_again,omitempty"`
	HeadAgain []float64 `json:"head_again,omitempty"`
}

// Key is that of the sample with this name, configuration and unit.
func (t Turns) Key() string { return Sample{Name: t.Name, Unit: t.Unit, Config: t.Config}.Key() }

// Step is what to do with a benchmark after a look.
type Step int

// Steps.
const (
	Enough  Step = iota // it is decided, or nothing was asked
	More                // more blocks may decide it
	Suspect             // it looks worse than allowed: measure it again, independently
)

// Unaffected is a program, or the built-in harness ("harness cpu"), that was not run since
// the commit cannot have changed what it measures.
type Unaffected struct {
	Program string `json:"program"`
	Reason  string `json:"reason"` // what is the same in base and head
	// Names are the names and units of the samples that it would have given, nil where only
	// running it could tell.
	Names []string `json:"names,omitempty"`
}

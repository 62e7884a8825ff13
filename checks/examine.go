package checks

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ci/holdfast/checks/scan"
	"github.com/holdfast-ci/holdfast/runner"
)

// maxHits bounds the evidence kept for one rule and one file while judging.
const maxHits = 5000

// tally is what one rule found in one file.
type tally struct {
	file  string
	err   error    // the file could not be judged
	shown string   // the line that err is about
	units []unit   // the file as a whole, or the bodies of the function asked for
	torn  string   // a function whose extent depends on #if, as "NAME (line 12)"
	facts []*facts // of a kind that is written in Go: one for each configuration
}

// silent reports whether there is nothing to say of the file.
func (t *tally) silent() bool {
	return t.err == nil && len(t.units) == 0 && t.torn == "" && t.facts == nil
}

// unit is a stretch of a file that is judged as one.
type unit struct {
	head   runner.Evidence // where the function begins; Line 1 of the file without one
	counts []int           // matches of each pattern
	hits   []runner.Evidence
	cut    int // hits beyond maxHits

	subjects int // how often a rule of the newer kinds applied
}

// examined is what one rule found in all files that it asked for.
type examined struct {
	files   int     // that it asked for
	tallies []tally // of those of which there is something to say, in the order of files
}

// examine runs all rules over the files they ask for. Each file is read and scanned once.
func examine(ctx context.Context, t *tree, rules []*compiled, progress func(done, all int)) ([]examined, error) {
	out := make([]examined, len(rules))
	e := examination{tree: t, rules: rules, words: collectLiterals(rules), progress: progress}
	e.plan(out)
	workers := make([]worker, min(runtime.GOMAXPROCS(0), max(1, len(e.names))))
	var wg sync.WaitGroup
	for i := range workers {
		workers[i] = worker{examination: &e, present: make([]bool, len(e.words.words))}
		wg.Go(func() { workers[i].run(ctx) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var all []reading
	for _, w := range workers {
		all = append(all, w.found...)
	}
	slices.SortStableFunc(all, func(a, b reading) int { return cmp.Compare(a.file, b.file) })
	for _, f := range all {
		if errors.Is(f.err, errIsFolder) { // links to folders are no files
			out[f.rule].files--
			continue
		}
		out[f.rule].tallies = append(out[f.rule].tallies, f.tally)
	}
	return out, nil
}

// examination is what the workers share.
type examination struct {
	tree     *tree
	rules    []*compiled
	words    *literals
	progress func(done, all int)
	names    []string // files that some rule asks for
	asks     [][]int  // by the index of the file: the rules that ask for it; many files have the same

	mu   sync.Mutex
	next int
	past sync.Mutex // of history
}

// plan finds out which rules ask for which files.
func (e *examination) plan(out []examined) {
	selections := map[string]int{} // rules often have the same globs
	var selected []map[string]bool
	var of [][]int // rules of each selection
	for i, r := range e.rules {
		if !r.reads() {
			continue
		}
		key := strings.Join(r.Files, "\x00") + "\x00\x00" + strings.Join(r.Exclude, "\x00")
		n, ok := selections[key]
		if !ok {
			n = len(selected)
			selections[key] = n
			files := map[string]bool{}
			for _, f := range r.selects(e.tree.files) {
				files[f] = true
			}
			selected, of = append(selected, files), append(of, nil)
		}
		of[n] = append(of[n], i)
		out[i].files = len(selected[n])
	}
	lists := map[string][]int{}
	key := make([]byte, len(selected))
	for _, f := range e.tree.files {
		any := false
		for n, files := range selected {
			key[n] = 0
			if files[f] {
				key[n], any = 1, true
			}
		}
		if !any {
			continue
		}
		list, ok := lists[string(key)]
		if !ok {
			for n := range selected {
				if key[n] == 1 {
					list = append(list, of[n]...)
				}
			}
			slices.Sort(list)
			lists[string(key)] = list
		}
		e.names, e.asks = append(e.names, f), append(e.asks, list)
	}
}

// reading is a tally with the indices of its file and rule.
type reading struct {
	file, rule int
	tally
}

// worker examines one file after the other. The memory of one is that of the next.
type worker struct {
	*examination
	present []bool
	memory  memory
	text    []byte
	folder  folder
	found   []reading
}

func (w *worker) run(ctx context.Context) {
	defer w.folder.close()
	for {
		w.mu.Lock()
		i := w.next
		w.next++
		if w.progress != nil && i > 0 && i%200 == 0 && i < len(w.names) {
			w.progress(i, len(w.names))
		}
		w.mu.Unlock()
		if i >= len(w.names) || ctx.Err() != nil {
			return
		}
		src, err := w.source(w.names[i])
		if ctx.Err() != nil {
			return
		}
		for _, n := range w.asks[i] {
			tl := tally{file: w.names[i], err: err}
			if err == nil {
				tl.err = w.rules[n].examine(src, &tl)
			}
			var pe *placeError
			if errors.As(tl.err, &pe) && src != nil {
				tl.shown = lineText(src.lines(), pe.line)
			}
			if !tl.silent() {
				w.found = append(w.found, reading{i, n, tl})
			}
		}
		if src != nil {
			src.done()
		}
	}
}

// source reads a file.
func (w *worker) source(name string) (*source, error) {
	text, err := w.tree.readIn(&w.folder, w.text, name, maxFile)
	if err != nil {
		return nil, err
	}
	w.text = text
	src, err := newSource(name, text)
	if err != nil {
		return nil, err
	}
	clear(w.present)
	w.words.find(text, w.present)
	src.words, src.present, src.memory, src.all = w.words, w.present, &w.memory, w.tree.files
	if history := w.tree.history; history != nil {
		src.history = func(names []string) (time.Time, error) {
			w.past.Lock()
			defer w.past.Unlock()
			return history(names)
		}
	}
	return src, nil
}

// selects returns the files that a rule asks for, in their order.
func (c *compiled) selects(files []string) []string {
	var out []string
	for _, f := range files {
		if matchAny(c.files, f) && !matchAny(c.exclude, f) {
			out = append(out, f)
		}
	}
	return out
}

// reads reports whether a rule looks into files, one by one.
func (c *compiled) reads() bool {
	return c.Kind != KindExists && c.Kind != KindAggregate && c.Kind != KindInfo
}

// structural reports whether a rule is of one of the kinds that judge findings instead of
// counting matches.
func (c *compiled) structural() bool {
	switch c.Kind {
	case KindScope, KindOrder, KindNear, KindImplies, KindJSON:
		return true
	}
	return false
}

func (c *compiled) examine(src *source, t *tally) error {
	switch {
	case c.analysis != nil:
		return c.analyse(src, t)
	case c.Kind == KindJSON:
		return c.examineJSON(src, t)
	case c.structural():
		return c.examineAreas(src, t)
	case c.In.everywhere():
		if c.silent(src) && !c.Each {
			return nil
		}
		u, err := c.search(src, 0, len(src.raw))
		if c.Each || u.total() > 0 {
			u.head = src.first()
			t.units = []unit{u}
		}
		return err
	}
	areas, st, err := c.areas(src, t)
	if err != nil {
		return err
	}
	for _, a := range areas {
		u, err := c.search(src, a.from, a.to)
		if err != nil {
			return err
		}
		u.head = headOf(src, st, a)
		t.units = append(t.units, u)
	}
	return nil
}

// silent reports whether surely no pattern of the rule matches in the file.
func (c *compiled) silent(src *source) bool {
	for i, m := range c.patterns {
		may := false
		if src.words != nil && c.numbers == src.words {
			may = c.glances[i].may(src)
		} else {
			may = src.mayContain(m.raw) && src.mayHave(m.words)
		}
		if may || !src.shows(m, c.view) {
			return false
		}
	}
	return !src.c || c.view == scan.Raw || !src.doubtful()
}

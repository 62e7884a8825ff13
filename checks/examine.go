package checks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/checks/scan"
	"github.com/holdfast-ci/holdfast/runner"
)

const (
	// maxMatches bounds what one pattern may find in one file; a rule that wants more
	// is not about structure.
	maxMatches = 100_000
	// maxHits bounds the evidence kept for one rule and one file while judging.
	maxHits = 1000
)

// tally is what one rule found in one file.
type tally struct {
	file  string
	err   error  // the file could not be judged
	units []unit // the file as a whole, or the bodies of the function asked for
	torn  string // a function whose extent depends on #if, as "NAME (line 12)"
	facts *facts // of a kind that is written in Go
}

// unit is a stretch of a file that is judged as one.
type unit struct {
	head   runner.Evidence // where the function begins; Line 1 of the file without one
	counts []int           // matches of each pattern
	hits   []runner.Evidence
	cut    int // hits beyond maxHits

	subjects int      // how often a rule of the newer kinds applied
	texts    []string // what is wrong at each of hits, for these kinds
}

// examine runs all rules over the files they ask for. Each file is read and scanned
// once. The result has one list of tallies a rule, in the order of files.
func examine(ctx context.Context, t *tree, rules []*compiled, progress func(done, all int)) ([][]tally, error) {
	out := make([][]tally, len(rules))
	type ask struct{ rule, slot int }
	asks := make(map[string][]ask, len(t.files))
	selected := map[string][]string{} // rules often have the same globs
	for i, r := range rules {
		if !r.reads() {
			continue
		}
		key := strings.Join(r.Files, "\x00") + "\x00\x00" + strings.Join(r.Exclude, "\x00")
		if _, ok := selected[key]; !ok {
			selected[key] = r.selects(t.files)
		}
		out[i] = make([]tally, 0, len(selected[key]))
		for _, f := range selected[key] {
			if asks[f] == nil {
				asks[f] = make([]ask, 0, len(rules))
			}
			asks[f] = append(asks[f], ask{i, len(out[i])})
			out[i] = append(out[i], tally{file: f})
		}
	}
	words := collectLiterals(rules)
	names := make([]string, 0, len(asks))
	for f := range asks {
		names = append(names, f)
	}
	slices.Sort(names)

	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		next int
		past sync.Mutex // of history
	)
	for range min(runtime.GOMAXPROCS(0), max(1, len(names))) {
		wg.Go(func() {
			// Memory of one file is that of the next.
			var kept memory
			var bytes []byte
			present := make([]bool, len(words.words))
			for {
				mu.Lock()
				i := next
				next++
				if progress != nil && i > 0 && i%200 == 0 && i < len(names) {
					progress(i, len(names))
				}
				mu.Unlock()
				if i >= len(names) || ctx.Err() != nil {
					return
				}
				name := names[i]
				text, err := t.readInto(bytes, name, maxFile)
				bytes = text
				var src *source
				if err == nil {
					src, err = newSource(name, text)
				}
				if err == nil {
					clear(present)
					words.find(text, present)
					src.words, src.present, src.memory = words, present, &kept
					src.all = t.files
					if t.history != nil {
						src.history = func(names []string) (time.Time, error) {
							past.Lock()
							defer past.Unlock()
							return t.history(names)
						}
					}
				}
				if ctx.Err() != nil {
					return
				}
				for _, a := range asks[name] {
					tl := &out[a.rule][a.slot]
					if err != nil {
						tl.err = err
						continue
					}
					tl.err = rules[a.rule].examine(src, tl)
				}
				if src != nil {
					src.done()
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for i := range out { // links to folders are no files
		out[i] = slices.DeleteFunc(out[i], func(t tally) bool { return errors.Is(t.err, errIsFolder) })
	}
	return out, nil
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
	glimpse := c.glimpse(src)
	for _, m := range c.patterns {
		if glimpse && src.mayContain(m.raw) && src.mayHave(m.words) || !src.shows(m, c.view) {
			return false
		}
	}
	return !src.c || c.view == scan.Raw || !src.doubtful()
}

func headOf(src *source, st *scan.Structure, a area) runner.Evidence {
	if a.scope < 0 {
		return src.first()
	}
	sc := st.Scopes[a.scope]
	return runner.Evidence{File: src.name, Line: sc.Line, Column: sc.Column, Text: lineText(src.lines(), sc.Line)}
}

// areas are the scopes that the rule asks for, or the whole file.
func (c *compiled) areas(src *source, t *tally) ([]area, *scan.Structure, error) {
	if c.In.everywhere() {
		return []area{{0, len(src.raw), -1}}, nil, nil
	}
	known := src.words != nil && c.numbers == src.words
	if n := c.in.needs; src.c && n != nil && !src.doubtful() && (known && !c.glanceIn.may(src) || src.lacksAny(n)) {
		return nil, nil, nil
	}
	st, err := src.functions()
	if err != nil {
		return nil, nil, err
	}
	if len(st.Problems) > 0 {
		return nil, nil, problemError(st.Problems)
	}
	for _, fn := range st.Functions {
		if fn.Torn {
			t.torn = fmt.Sprintf("%s (%s:%d)", fn.Name, src.name, fn.Line)
			break
		}
	}
	var out []area
	for _, i := range c.in.scopes(st) {
		sc := st.Scopes[i]
		if sc.Torn {
			return nil, nil, &placeError{sc.Line, sc.Column, fmt.Sprintf("the body of %s begins and ends in different branches of an #if", scopeName(sc))}
		}
		out = append(out, area{sc.Offset, sc.End, i})
	}
	return out, st, nil
}

// subject are the events without which a rule of a newer kind says nothing of a file.
func (c *compiled) subject() []event {
	switch {
	case len(c.sequence) > 1:
		return c.sequence[1:]
	case c.Kind == KindOrder:
		return c.first
	case c.Kind == KindScope && len(c.forbid) > 0:
		return c.forbid
	case c.Kind == KindScope:
		return c.require
	}
	return c.when
}

// examineAreas judges the kinds that know places and order.
func (c *compiled) examineAreas(src *source, t *tally) error {
	code := c.Kind == KindScope || c.Kind == KindOrder
	if code && !src.c {
		return errors.New("statements are known for the C family only")
	}
	if src.c && c.view != scan.Raw && src.doubtful() {
		return src.lexical()
	}
	areas, st, err := c.areas(src, t)
	if err != nil {
		return err
	}
	v := verdicts{found: make([][]breach, len(areas)), subjects: make([]int, len(areas))}
	// A file without the words that the rule is about cannot break it, however it is read.
	if len(areas) > 0 && c.glimpse(src) && slices.ContainsFunc(c.subject(), func(e event) bool { return src.mayContain(e.needs) && src.mayHave(e.words) }) {
		if code && st == nil && slices.ContainsFunc(c.subject(), func(e event) bool { return !e.absent(src) }) {
			if st, err = src.functions(); err != nil {
				return err
			}
			if len(st.Problems) > 0 {
				return problemError(st.Problems)
			}
		}
		switch c.Kind {
		case KindOrder:
			err = c.judgeOrder(src, st, areas, &v)
		case KindScope:
			err = c.judgeScope(src, st, areas, &v)
		case KindNear:
			err = c.judgeNear(src, areas, &v)
		case KindImplies:
			err = c.judgeImplies(src, areas, &v)
		}
	}
	for i, a := range areas {
		if a.scope < 0 && v.subjects[i] == 0 && len(v.found[i]) == 0 {
			continue
		}
		u := unit{head: headOf(src, st, a), subjects: v.subjects[i]}
		slices.SortStableFunc(v.found[i], func(a, b breach) int { return a.offset - b.offset })
		for _, f := range v.found[i] {
			if len(u.hits) == maxHits {
				u.cut++
				continue
			}
			u.hits = append(u.hits, src.evidenceTo(f.offset, f.end))
			u.texts = append(u.texts, f.text)
		}
		t.units = append(t.units, u)
	}
	if err == nil {
		err = v.err
	}
	return err
}

// search counts the matches of all patterns between two offsets.
func (c *compiled) search(src *source, from, to int) (unit, error) {
	u := unit{counts: make([]int, len(c.patterns))}
	var offsets [][2]int
	for i, p := range c.patterns {
		found, err := p.find(src, c.view, from, to)
		if err != nil {
			return u, err
		}
		if len(found) >= maxMatches {
			return u, fmt.Errorf("%d or more matches of %s: too many to mean anything", maxMatches, short(p.text))
		}
		u.counts[i] = len(found)
		offsets = append(offsets, found...)
	}
	if len(offsets) == 0 {
		return u, nil
	}
	// Of several matches that begin together the longest stands for all.
	slices.SortFunc(offsets, func(a, b [2]int) int { return cmp.Or(a[0]-b[0], b[1]-a[1]) })
	offsets = slices.CompactFunc(offsets, func(a, b [2]int) bool { return a[0] == b[0] })
	if u.cut = max(0, len(offsets)-maxHits); u.cut > 0 {
		offsets = offsets[:maxHits]
	}
	for _, o := range offsets {
		line, col := src.lines().Position(o[0])
		e := runner.Evidence{File: src.name, Line: line, Column: col, Text: lineText(src.lines(), line)}
		e.EndLine, e.EndColumn = src.lines().Position(o[1])
		u.hits = append(u.hits, e)
	}
	return u, nil
}

// find returns the offsets at which matches begin and end.
func (m matcher) find(src *source, view scan.View, from, to int) ([][2]int, error) {
	if !src.mayContain(m.raw) && (!src.c || view == scan.Raw || !src.doubtful()) && src.shows(m, view) {
		return nil, nil
	}
	if m.tokens != nil {
		if src.lacksAny(m.words) && !src.doubtful() {
			return nil, nil
		}
		code, err := src.tokens()
		if err != nil {
			return nil, err
		}
		lo, _ := slices.BinarySearchFunc(code, from, func(i int32, o int) int { return int(src.file().Tokens[i].Offset) - o })
		hi, _ := slices.BinarySearchFunc(code, to, func(i int32, o int) int { return int(src.file().Tokens[i].Offset) - o })
		found, complete := m.tokens.Find(src.file(), code[lo:hi])
		if !complete {
			return nil, fmt.Errorf("the search for %s was given up as too long", short(m.text))
		}
		return found, nil
	}
	text, err := src.view(view)
	if err != nil {
		return nil, err
	}
	var out [][2]int
	text = text[from:to]
	if m.needs != nil && !slices.ContainsFunc(m.needs, func(lit []byte) bool { return bytes.Contains(text, lit) }) {
		return nil, nil
	}
	if m.bare != nil {
		for at := 0; len(out) < maxMatches; {
			f := m.bare.FindIndex(text[at:])
			if f == nil {
				break
			}
			start := at + f[0]
			if start > 0 && wordByte(text[start-1]) == wordByte(text[start]) || start == 0 && !wordByte(text[0]) {
				at = start + 1
				continue
			}
			out = append(out, [2]int{from + start, from + at + f[1]})
			at += f[1]
		}
		return out, nil
	}
	for _, f := range m.re.FindAllIndex(text, maxMatches) {
		out = append(out, [2]int{from + f[0], from + f[1]})
	}
	return out, nil
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// withoutBoundary returns the expression without a leading \b that stands before a
// literal, or nil for any other expression.
func withoutBoundary(re *syntax.Regexp) *regexp.Regexp {
	if re.Op != syntax.OpConcat || len(re.Sub) < 2 || re.Sub[0].Op != syntax.OpWordBoundary ||
		re.Sub[1].Op != syntax.OpLiteral || re.Sub[1].Flags&syntax.FoldCase != 0 || slices.Contains(re.Sub[1].Rune, utf8.RuneError) {
		return nil
	}
	rest := &syntax.Regexp{Op: syntax.OpConcat, Sub: re.Sub[1:]}
	bare, err := regexp.Compile(rest.String())
	if err != nil {
		return nil
	}
	return bare
}

// needed returns literals of which one must occur in every text that the expression
// matches, or nil if there are none. Looking for them first is a hundred times faster
// than matching.
func needed(re *syntax.Regexp) [][]byte { return oneOf(re, wholeLiteral) }

// wholeLiteral is the text of a literal, if no other bytes match it.
func wholeLiteral(re *syntax.Regexp) []byte {
	// U+FFFD also matches a byte that is not UTF-8.
	if re.Flags&syntax.FoldCase == 0 && !slices.Contains(re.Rune, utf8.RuneError) {
		return []byte(string(re.Rune))
	}
	return nil
}

// oneOf returns texts of which one must occur wherever the expression matches; word says
// what a literal needs, nil for nothing.
func oneOf(re *syntax.Regexp, word func(literal *syntax.Regexp) []byte) [][]byte {
	switch re.Op {
	case syntax.OpLiteral:
		if w := word(re); w != nil {
			return [][]byte{w}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return oneOf(re.Sub[0], word)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return oneOf(re.Sub[0], word)
		}
	case syntax.OpConcat:
		var best [][]byte
		for _, s := range re.Sub {
			if n := oneOf(s, word); shortest(n) > shortest(best) {
				best = n
			}
		}
		return best
	case syntax.OpAlternate:
		var all [][]byte
		for _, s := range re.Sub {
			n := oneOf(s, word)
			if n == nil || len(all)+len(n) > 8 {
				return nil
			}
			all = append(all, n...)
		}
		return all
	}
	return nil
}

func shortest(lits [][]byte) int {
	if len(lits) == 0 {
		return 0
	}
	n := len(lits[0])
	for _, l := range lits {
		n = min(n, len(l))
	}
	return n
}

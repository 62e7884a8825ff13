package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/runner"
)

// maxFrame is how many characters of a line a frame shows.
const maxFrame = 110

// frame shows the source line of a place and marks the stretch that matched:
//
//	6 |   [buffer waitUntilCompleted];
//	  |           ^~~~~~~~~~~~~~~~~~
//
// It is "" if the line is not known, and has no mark if the place in the line is not.
func frame(e *runner.Evidence, indent string) string {
	if visible(e.Text) == "" || e.Line <= 0 {
		return ""
	}
	number := fmt.Sprintf("%6d", e.Line)
	text := printed(e.Text)
	start, end, ok := stretch(e)
	from, width := 0, 0
	if ok {
		from = utf8.RuneCountInString(printed(e.Text[:start]))
		width = max(1, utf8.RuneCountInString(printed(e.Text[start:end])))
		if over := from + min(width, 20) + 1 - maxFrame; over > 0 { // the place must be seen
			text = "…" + string([]rune(text)[over+1:])
			from -= over
		}
	}
	b := indent + number + " | " + clip(text, maxFrame) + "\n"
	if ok {
		width = min(width, maxFrame-from)
		b += indent + strings.Repeat(" ", len(number)) + " | " + strings.Repeat(" ", from) + "^" + strings.Repeat("~", max(0, width-1)) + "\n"
	}
	return b
}

// stretch is the part of e.Text that matched, as far as it is on this line.
func stretch(e *runner.Evidence) (start, end int, ok bool) {
	start = e.Column - 1 - e.Indent
	if e.EndLine == 0 || e.Indent < 0 || unclear(e.Text) || start < 0 || start >= len(e.Text) || !utf8.RuneStart(e.Text[start]) {
		return 0, 0, false
	}
	end = len(e.Text)
	if e.EndLine == e.Line {
		end = min(end, e.EndColumn-1-e.Indent)
	}
	if end <= start || end < len(e.Text) && !utf8.RuneStart(e.Text[end]) {
		return 0, 0, false
	}
	return start, end, true
}

// unclear reports whether bytes of a line were replaced, so that columns do not count.
func unclear(text string) bool {
	return strings.ContainsRune(text, utf8.RuneError)
}

// printed is visible without the trimming, so that parts of a line keep their places.
func printed(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(visible("."+s+"."), "."), ".")
}

// Frame shows the source line of a place for a terminal, with a mark under what matched. It
// is "" if the line is not known.
func Frame(e *runner.Evidence) string { return frame(e, "") }

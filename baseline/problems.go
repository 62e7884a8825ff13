package baseline

import "fmt"

// byteOrderMark is what some programs put before UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

const maxProblems = 20

// problems are what a reader could not take of a file, each with its place: the first
// maxProblems of them, and how many came behind.
type problems struct {
	file  string
	first []string
	more  int
}

// add keeps a problem of a line; 0 is the file as a whole.
func (p *problems) add(line int, format string, args ...any) {
	if len(p.first) == maxProblems {
		p.more++
		return
	}
	place := p.file + ": "
	if line > 0 {
		place = fmt.Sprintf("%s:%d: ", p.file, line)
	}
	p.first = append(p.first, place+fmt.Sprintf(format, args...))
}

func (p *problems) list() []string {
	if p.more == 0 {
		return p.first
	}
	return append(p.first, fmt.Sprintf("%s: and %s", p.file, count(p.more, "more problem")))
}

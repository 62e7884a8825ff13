package report

import (
	"strings"
)

// Answer is what came of a command in a comment. Command, Author and Text are hostile.
type Answer struct {
	Command, Author string
	Accepted        bool
	Text            string // one line
}

// Answers renders answers to commands, a line each, in at most limit bytes.
func Answers(list []Answer, limit int) string {
	s := section{keep: 50, what: "answers"}
	for _, a := range list {
		sign := "❌"
		if a.Accepted {
			sign = "✅"
		}
		text := strings.TrimRight(prose(a.Text), ".")
		s.rows = append(s.rows, "- "+sign+" "+code(a.Command)+" by "+code(a.Author)+": "+text+".\n")
	}
	return fit([]section{{keep: mustKeep, head: "Holdfast answers:\n\n"}, s}, limit, "")
}

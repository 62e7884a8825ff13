package report

// Line is foreign text made fit for one line of a terminal: control, bidirectional and
// invisible characters are written out, line ends become spaces, and what is too long is
// cut.
func Line(s string) string { return line(s) }

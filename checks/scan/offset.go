package scan

// Offset is the byte offset of a position, the other way round from [File.Position]. ok is
// false if the file has no such line or the column lies behind its end.
func (f *File) Offset(line, column int) (offset int, ok bool) {
	if line < 1 || line > len(f.lines) || column < 1 {
		return 0, false
	}
	start, end := int(f.lines[line-1]), len(f.Src)
	if line < len(f.lines) {
		end = int(f.lines[line])
	}
	if column > end-start+1 {
		return 0, false
	}
	return start + column - 1, true
}

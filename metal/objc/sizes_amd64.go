package objc

// placeSizes puts a and b where System V has structures above 16 bytes: on the stack,
// which begins after the six words in registers. It returns the number of words.
func (t *Thread) placeSizes(a, b Size) int {
	clear(t.words[2:6])
	t.words[6], t.words[7], t.words[8] = uintptr(a.Width), uintptr(a.Height), uintptr(a.Depth)
	t.words[9], t.words[10], t.words[11] = uintptr(b.Width), uintptr(b.Height), uintptr(b.Depth)
	return 12
}

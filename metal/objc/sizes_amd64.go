package objc

// placeSizes puts a and b where System V has structures above 16 bytes: on the stack,
// which begins after the six words in registers. It returns the number of words.
func (t *Thread) placeSizes(a, b Size) int {
	clear(t.words[2:6])
	t.putSizes(a, b)
	return 12
}

// placeSizes makes the words of a step those of a message of two sizes.
func (s *step) placeSizes() {}

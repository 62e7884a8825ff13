package objc

import "unsafe"

// placeSizes passes a and b as AAPCS64 and Apple's ABI do with structures above 16 bytes
// that are not all floats: as pointers to copies, here behind the words of the call. It
// returns the number of words.
func (t *Thread) placeSizes(a, b Size) int {
	t.putSizes(a, b)
	t.words[2], t.words[3] = uintptr(unsafe.Pointer(&t.words[6])), uintptr(unsafe.Pointer(&t.words[9]))
	return 4
}

// placeSizes makes the words of a step those of a message of two sizes. The step must not
// move after it.
func (s *step) placeSizes() {
	s.words[1], s.words[2] = uintptr(unsafe.Pointer(&s.words[stepSizes])), uintptr(unsafe.Pointer(&s.words[stepSizes+3]))
}

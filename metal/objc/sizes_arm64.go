package objc

import "unsafe"

// placeSizes passes a and b as AAPCS64 and Apple's ABI do with structures above 16 bytes
// that are not all floats: pointers to copies. It returns the number of words.
func (t *Thread) placeSizes(a, b Size) int {
	t.sizes = [2]Size{a, b}
	t.words[2], t.words[3] = uintptr(unsafe.Pointer(&t.sizes[0])), uintptr(unsafe.Pointer(&t.sizes[1]))
	return 4
}

package objc

// System lists the libraries of macOS. CoreGraphics is among them because Apple asks
// programs without a window to link it, else there may be no default Metal device.
func System() []string {
	return []string{
		"/usr/lib/libSystem.B.dylib",
		"/usr/lib/libobjc.A.dylib",
		"/System/Library/Frameworks/Foundation.framework/Foundation",
		"/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics",
		"/System/Library/Frameworks/Metal.framework/Metal",
	}
}

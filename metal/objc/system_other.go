//go:build !darwin

package objc

// System lists the Objective-C libraries of this system: none.
func System() []string { return nil }

//go:build !linux

package cpu

import "time"

// sleep is time.Sleep: on macOS the runtime waits in kevent(2), which takes
// nanoseconds. Not measured on a Mac.
func sleep(d time.Duration) { time.Sleep(d) }

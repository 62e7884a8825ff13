//go:build !darwin

package proc

import "syscall"

// maxRSS converts kilobytes, which Linux counts in (getrusage(2)).
func maxRSS(ru *syscall.Rusage) int64 { return ru.Maxrss << 10 }

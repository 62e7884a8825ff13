package proc

import "syscall"

// maxRSS is in bytes on macOS already (getrusage(2)).
func maxRSS(ru *syscall.Rusage) int64 { return ru.Maxrss }

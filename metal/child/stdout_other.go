//go:build !linux

package child

import (
	"os"
	"syscall"
)

// claimStdout returns what is standard output now, and leads file descriptor 1 to standard
// error.
func claimStdout() (*os.File, error) {
	fd, err := syscall.Dup(1)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Dup2(2, 1); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "answers"), nil
}

// noCore keeps a crash from leaving a file of the process's memory behind. The system's
// crash reports are not affected.
func noCore() { syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }

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
	if err := syscall.Dup3(2, 1, 0); err != nil { // linux/arm64 has no dup2
		return nil, err
	}
	return os.NewFile(uintptr(fd), "answers"), nil
}

// noCore keeps a crash from leaving a file of the process's memory behind.
func noCore() { syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }

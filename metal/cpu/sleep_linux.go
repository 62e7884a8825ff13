package cpu

import (
	"syscall"
	"time"
)

// sleep blocks an OS thread in nanosleep(2): about 60–80 µs late with the kernel's
// default timer slack. time.Sleep on an idle Linux process ends up to 1 ms late, since
// the runtime waits in epoll_wait(2), which counts in milliseconds. An early return
// (EINTR) is the caller's to handle: it looks at the clock.
func sleep(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil)
}

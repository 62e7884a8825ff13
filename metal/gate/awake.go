package gate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-ci/holdfast/runner/proc"
)

// Caffeinate is the program that keeps a Mac awake.
const Caffeinate = "/usr/bin/caffeinate"

// Awake keeps the machine and its display awake until the returned function is called.
// Display sleep slows GPUs, too. The program ends with this process (-w), however that
// ends, so nothing is left changed after a kill. On a system that does not have it,
// nothing happens, and the error is nil; told says what was done.
func Awake(ctx context.Context, program string) (release func(), told string, err error) {
	if _, err := os.Stat(program); err != nil {
		return func() {}, "", nil
	}
	inner, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	var once sync.WaitGroup
	once.Go(func() {
		exit, err := proc.Run(inner, proc.Cmd{
			Args: []string{program, "-dims", "-w", strconv.Itoa(os.Getpid())}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}, Grace: time.Second,
		})
		if err == nil && inner.Err() == nil {
			err = fmt.Errorf("%s ended: %s", filepath.Base(program), exit)
		}
		ended <- err
	})
	release = func() { cancel(); once.Wait() }
	// It ends at once if it cannot do what it is for; after that it is silent.
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case err := <-ended:
		if inner.Err() == nil {
			cancel()
			return func() {}, "", fmt.Errorf("keep the machine awake: %w", err)
		}
	case <-t.C:
	}
	return release, filepath.Base(program) + " -dims", nil
}

package proc

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// warden ends what this process started when this process is gone in a way in which it
// cannot do so itself: SIGKILL, a crash of the runtime. It is a shell whose standard input
// only this process holds; at its end the groups that are left get SIGTERM and, two
// seconds later, SIGKILL. It does not know yet what was started in that very instant, and
// does not see what made a session of its own, as [Run] does not. macOS knows no
// parent-death signal, and on Linux it is that of a thread, which the Go runtime may end
// at any time.
type warden struct {
	mu     sync.Mutex
	groups map[int]bool
	in     *os.File // nil: no shell was needed yet, or it is gone
	cmd    *exec.Cmd
}

// children are those of this process.
var children = warden{groups: map[int]bool{}}

const wardenScript = `trap '' HUP INT TERM
all=' '
while read -r op group; do
  case $op in
  +) all="$all$group " ;;
  -) all="${all%% $group *} ${all#* $group }" ;;
  esac
done
[ "$all" = ' ' ] && exit
for group in $all; do kill -s TERM -- "-$group"; done
sleep 2
for group in $all; do kill -s KILL -- "-$group"; done
`

// add begins to watch a group. A system on which no shell can be started is no reason not
// to run a child: what is lost then is tidiness after a kill.
func (w *warden) add(group int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups[group] = true
	if w.in != nil && w.tell("+", group) == nil {
		return
	}
	if w.start() != nil {
		return
	}
	for g := range w.groups {
		if w.tell("+", g) != nil {
			return
		}
	}
}

// remove ends it. The group is gone by then, and its number may soon be another's.
func (w *warden) remove(group int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.groups, group)
	if w.in != nil {
		w.tell("-", group)
	}
}

// tell writes one line. A shell that does not read is given up.
func (w *warden) tell(op string, group int) error {
	w.in.SetWriteDeadline(time.Now().Add(time.Second))
	_, err := fmt.Fprintf(w.in, "%s %d\n", op, group)
	if err != nil {
		w.stop()
	}
	return err
}

func (w *warden) start() error {
	r, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", wardenScript)
	cmd.Args[0] = "holdfast: ends what it left if it is killed"
	cmd.Env, cmd.Dir, cmd.Stdin = []string{"PATH=/usr/bin:/bin"}, "/", r
	// A group of its own: what ends this process's, a terminal or a service manager, spares it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		in.Close()
		return err
	}
	w.in, w.cmd = in, cmd
	return nil
}

// stop gives the shell up: it is dead, or does not read.
func (w *warden) stop() {
	w.cmd.Process.Kill()
	w.in.Close()
	w.cmd.Wait()
	w.in, w.cmd = nil, nil
}

package metal

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/metal/fakemetal"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/mtl"
)

// Faults of devices, as a driver may have them. They happen in the process that measures.
const (
	faultWrong    = "wrong data"
	faultSignal   = "signal"
	faultAbort    = "abort"
	faultExit     = "exit"
	faultPanic    = "panic"
	faultHang     = "hang"    // of an operation
	faultStuck    = "stuck"   // of the whole process
	faultGarbage  = "garbage" // on the descriptor of the answers
	faultFlood    = "flood"
	faultPrints   = "prints" // on standard output, as a framework may
	faultOpen     = "open"
	faultMemory   = "killed"
	faultTwice    = "answers twice"
	faultOnlyDeep = "only deep" // wrong data in async-pipeline alone
	faultFake     = "fakemetal" // Metal is the fake in the library behind it, with the settings behind that
	faultHolds    = "holds "    // none: it keeps the named pipe behind it open
	faultSource   = "source"    // the source of the kernel says how fast it is, and what is wrong with it
)

// faulty wraps the modelled device.
type faulty struct {
	harness.Backend
	fault string
	ops   atomic.Int64
}

// openFaulty is the opener of the processes that tests measure in.
func openFaulty(d described) (harness.Backend, error) {
	if setup := strings.Fields(d.Fault); len(setup) > 1 && setup[0] == faultFake {
		f, err := fakemetal.Load(setup[1], setup[2:]...)
		if err != nil {
			return nil, err
		}
		return mtl.Open([]string{f.Library})
	}
	if d.Fault == faultSource {
		return &sourced{}, nil
	}
	b, err := open(d)
	switch {
	case err != nil || d.Fault == "":
		return b, err
	case d.Fault == faultOpen:
		b.Close()
		return nil, errors.New("no device")
	case d.Fault == faultPrints:
		fmt.Println("a framework says hello")
		fmt.Println(`{"id":1}`)
	}
	return &faulty{Backend: b, fault: d.Fault}, nil
}

func (f *faulty) Enter() (harness.Thread, error) {
	th, err := f.Backend.Enter()
	return &faultyThread{Thread: th, f: f}, err
}

type faultyThread struct {
	harness.Thread
	f    *faulty
	last []float32
	open int // operations in flight
}

// faultAt is the operation with which a fault happens: well after the verification.
const faultAt = 120

// answers is the descriptor to which the process writes its answers: the first pipe behind
// the standard ones.
func answers() int {
	for fd := 3; fd < 20; fd++ {
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFIFO {
			return fd
		}
	}
	panic("no answers")
}

func (t *faultyThread) Submit(q harness.Queue, p harness.Program, b harness.Buffer, n int) (harness.Ticket, error) {
	t.last = b.Data()
	t.open++
	if t.f.ops.Add(1) == faultAt {
		if pipe, ok := strings.CutPrefix(t.f.fault, faultHolds); ok {
			if _, err := syscall.Open(pipe, syscall.O_WRONLY, 0); err != nil {
				return 0, err
			}
		}
		switch t.f.fault {
		case faultSignal:
			syscall.Kill(os.Getpid(), syscall.SIGSEGV)
			select {}
		case faultAbort:
			fmt.Fprintln(os.Stderr, "-[MTLDebugComputeCommandEncoder endEncoding]:780: failed assertion `already ended'")
			syscall.Kill(os.Getpid(), syscall.SIGABRT)
			select {}
		case faultMemory:
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case faultExit:
			fmt.Fprintln(os.Stderr, "the device was removed")
			os.Exit(7)
		case faultPanic:
			panic("a bug in the backend")
		case faultGarbage:
			syscall.Write(answers(), []byte("hello\n"))
		case faultTwice:
			syscall.Write(answers(), []byte(strings.Repeat("{\"id\":1}\n", 3)))
		case faultFlood:
			for line := []byte(strings.Repeat("x", 1<<16)); ; {
				syscall.Write(answers(), line)
			}
		case faultStuck:
			syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		}
	}
	return t.Thread.Submit(q, p, b, n)
}

func (t *faultyThread) Wait(k harness.Ticket) error {
	err := t.Thread.Wait(k)
	n := t.f.ops.Load()
	if n >= faultAt && t.f.fault == faultHang {
		time.Sleep(time.Hour)
	}
	if t.f.fault == faultOnlyDeep && t.open > 1 && n >= faultAt {
		t.last[0]++
	}
	t.open--
	return err
}

func (t *faultyThread) Leave() {
	if t.f.fault == faultWrong {
		t.last[0]++
	}
	t.Thread.Leave()
}

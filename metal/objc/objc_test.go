package objc_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/metal/fakemetal"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

func open(t testing.TB) (*objc.Runtime, *fakemetal.Fake) {
	t.Helper()
	f := fakemetal.Open(t)
	r, err := objc.Open([]string{f.Library})
	if err != nil {
		t.Fatal(err)
	}
	return r, f
}

func class(t testing.TB, r *objc.Runtime, name string) objc.ID {
	t.Helper()
	c, err := r.Class(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOpenFails(t *testing.T) {
	_, f := open(t)
	if _, err := objc.Open(nil); !errors.Is(err, objc.ErrNoRuntime) {
		t.Errorf("without libraries: %v", err)
	}
	if _, err := objc.Open([]string{f.Library, "/nowhere/libobjc.dylib"}); err == nil || !strings.Contains(err.Error(), "/nowhere/libobjc.dylib") {
		t.Errorf("a missing library: %v", err)
	}
	if _, err := objc.Open([]string{"libm.so.6"}); runtime.GOOS == "linux" && (err == nil || !strings.Contains(err.Error(), "symbol")) {
		t.Errorf("a library without Objective-C: %v", err)
	}
	if runtime.GOOS == "linux" && objc.System() != nil {
		t.Error("Linux has no Objective-C of its own")
	}
}

func TestStrings(t *testing.T) {
	r, f := open(t)
	before := f.Count("NSString")
	err := r.Do(func(th *objc.Thread) error {
		for _, want := range []string{"", "a", "Überprüfung ✓", strings.Repeat("long ", 1000)} {
			o, err := th.NewString(want)
			if err != nil {
				return err
			}
			if got := th.String(o); got != want {
				t.Errorf("%.20q came back as %.20q", want, got)
			}
			th.Release(o)
		}
		if _, err := th.NewString("\xff\xfe"); err == nil || !strings.Contains(err.Error(), "UTF-8") {
			t.Errorf("bad UTF-8: %v", err)
		}
		if s := th.String(0); s != "" {
			t.Errorf("text of nil: %q", s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Count("NSString"); n != before {
		t.Errorf("%d strings are left", n-before)
	}
}

// TestResults holds what a register is taken for: words, bytes, doubles, nil.
func TestResults(t *testing.T) {
	r, _ := open(t)
	create, err := r.Symbol("MTLCreateSystemDefaultDevice")
	if err != nil {
		t.Fatal(err)
	}
	err = r.Do(func(th *objc.Thread) error {
		device := objc.ID(th.Call(create))
		defer th.Release(device)
		if got := uint64(th.Send(device, r.Selector("registryID"))); got != 0xfedcba9876543210 {
			t.Errorf("64-bit result %#x", got)
		}
		family := r.Selector("supportsFamily:")
		if !th.Bool(device, family, 1007) || th.Bool(device, family, 5000) {
			t.Error("BOOL results are wrong")
		}
		if th.Send(0, family, 1007) != 0 || th.Float64(0, r.Selector("GPUStartTime")) != 0 || th.Bool(0, family) {
			t.Error("a message to nil gives something")
		}
		if !th.RespondsTo(device, family) || th.RespondsTo(device, r.Selector("frobnicate")) {
			t.Error("RespondsTo is wrong")
		}
		ns := class(t, r, "NSString")
		if !th.InstancesRespondTo(ns, r.Selector("UTF8String")) || th.InstancesRespondTo(ns, r.Selector("commit")) {
			t.Error("InstancesRespondTo is wrong")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Class("NoSuchClass"); err == nil {
		t.Error("a class that is not there is found")
	}
}

func TestSendError(t *testing.T) {
	r, f := open(t)
	create, err := r.Symbol("MTLCreateSystemDefaultDevice")
	if err != nil {
		t.Fatal(err)
	}
	before := f.Count("NSError")
	err = r.Do(func(th *objc.Thread) error {
		device := objc.ID(th.Call(create))
		defer th.Release(device)
		source, err := th.NewString("kernel void broken(")
		if err != nil {
			return err
		}
		defer th.Release(source)
		lib, err := th.SendError(device, r.Selector("newLibraryWithSource:options:error:"), uintptr(source), 0)
		var e *objc.Error
		if lib != 0 || !errors.As(err, &e) || e.Domain != "MTLLibraryErrorDomain" || e.Code != 3 || !strings.Contains(e.Text, "program_source") {
			t.Errorf("a broken shader gives %d, %v", lib, err)
		}
		f.Refuse(t, "newLibraryWithSource:options:error:", 1)
		if lib, err = th.SendError(device, r.Selector("newLibraryWithSource:options:error:"), uintptr(source), 0); lib != 0 || err == nil {
			t.Errorf("nil without an error gives %d, %v", lib, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Count("NSError"); n != before {
		t.Errorf("%d errors are left", n-before)
	}
}

func TestProcess(t *testing.T) {
	r, f := open(t)
	p, err := r.Process()
	if err != nil {
		t.Fatal(err)
	}
	if s := p.ThermalState(); s != objc.Nominal || s.String() != "nominal" {
		t.Errorf("thermal state %v", s)
	}
	f.Set(t, "thermal", 2, 0)
	f.Set(t, "low_power", 1, 0)
	if s := p.ThermalState(); s != objc.Serious || !p.LowPowerMode() {
		t.Errorf("thermal state %v, low power %v", s, p.LowPowerMode())
	}
	if objc.ThermalState(7).String() != "unknown (7)" {
		t.Error("an unknown thermal state has a name")
	}
	if v := p.SystemVersion(); v != "Version 0.0 (Build FAKE)" {
		t.Errorf("version %q", v)
	}
	a, err := p.BeginActivity(objc.UserInitiated|objc.LatencyCritical, "measuring")
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Count("activities"); n != 1 {
		t.Errorf("%d activities after one began", n)
	}
	a.End()
	a.End()
	if f.Count("activities") != 0 || f.Count("NSActivity") != 0 {
		t.Error("the activity outlives its end")
	}
	f.Refuse(t, "beginActivityWithOptions:reason:", 1)
	if _, err := p.BeginActivity(objc.UserInitiated, "refused"); err == nil {
		t.Error("a refused activity is no error")
	}
	f.Forget(t, "thermalState")
	if _, err := r.Process(); err == nil || !strings.Contains(err.Error(), "thermalState") {
		t.Errorf("a system without thermalState: %v", err)
	}
}

func TestQoS(t *testing.T) {
	r, _ := open(t)
	outer := r.Enter()
	defer outer.Leave()
	inner := r.Enter() // the same thread
	if err := inner.SetQoS(objc.QoSUserInteractive); err != nil {
		t.Fatal(err)
	}
	if err := inner.SetQoS(objc.QoSUserInitiated); err != nil {
		t.Fatal(err)
	}
	if q, err := outer.QoS(); err != nil || q != objc.QoSUserInitiated {
		t.Errorf("class %#x, %v", q, err)
	}
	if err := inner.SetQoS(3); err == nil {
		t.Error("a class that is none is accepted")
	}
	inner.Leave()
	if q, _ := outer.QoS(); q != objc.QoSDefault {
		t.Errorf("class %#x after Leave, want the one before", q)
	}
}

// TestAllocations holds the reason for this package.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool, which purego uses, forget at random")
	}
	r, f := open(t)
	th := r.Enter()
	defer th.Leave()
	create, err := r.Symbol("MTLCreateSystemDefaultDevice")
	if err != nil {
		t.Fatal(err)
	}
	device := objc.ID(th.Call(create))
	defer th.Release(device)
	registry, family := r.Selector("registryID"), r.Selector("supportsFamily:")
	if n := testing.AllocsPerRun(200, func() {
		th.Send(device, registry)
		th.Bool(device, family, 1001)
		th.Retain(device)
		th.Release(device)
		th.Drain()
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	if n := f.Count("unpooled"); n != 0 {
		t.Errorf("%d objects were autoreleased without a pool", n)
	}
}

// TestMisuse: what breaks a rule ends the process, so each runs in a child.
func TestMisuse(t *testing.T) {
	cases := map[string]struct {
		do   func(r *objc.Runtime, th *objc.Thread)
		want string
	}{
		"over-release": {func(r *objc.Runtime, th *objc.Thread) {
			s, _ := th.NewString("x")
			th.Release(s)
			th.Release(s)
		}, "over-release of NSString"},
		"use after release": {func(r *objc.Runtime, th *objc.Thread) {
			s, _ := th.NewString("x")
			th.Release(s)
			th.String(s)
		}, "sent to deallocated NSString"},
		"retain of the dead": {func(r *objc.Runtime, th *objc.Thread) {
			s, _ := th.NewString("x")
			th.Release(s)
			th.Retain(s)
		}, "retain of a deallocated NSString"},
		"unknown selector": {func(r *objc.Runtime, th *objc.Thread) {
			s, _ := th.NewString("x")
			th.Send(s, r.Selector("frobnicate"))
		}, "unrecognized selector"},
		"pool on another thread": {func(r *objc.Runtime, th *objc.Thread) {
			done := make(chan bool)
			go func() {
				runtime.LockOSThread()
				th.Drain()
				close(done)
			}()
			<-done
		}, "popped on another thread"},
		"pools out of order": {func(r *objc.Runtime, th *objc.Thread) {
			r.Enter()
			th.Drain()
		}, "out of order"},
	}
	if name := os.Getenv("MISUSE"); name != "" {
		r, _ := open(t)
		cases[name].do(r, r.Enter())
		return
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if out, err := fakemetal.Child(t, "TestMisuse", "MISUSE="+name); err == nil || !strings.Contains(out, c.want) {
				t.Errorf("%v, output %.600s\nwant %q", err, out, c.want)
			}
		})
	}
}

func TestTooManyArguments(t *testing.T) {
	r, _ := open(t)
	th := r.Enter()
	defer th.Leave()
	for name, f := range map[string]func(){
		"Send":      func() { th.Send(0, 0, 1, 2, 3, 4, 5, 6, 7) },
		"Call":      func() { th.Call(1, 1, 2, 3, 4, 5, 6, 7, 8, 9) },
		"SendError": func() { th.SendError(0, 0, 1, 2, 3, 4, 5, 6) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes more arguments than registers", name)
				}
			}()
			f()
		}()
	}
}

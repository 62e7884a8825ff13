package objc

import (
	"errors"
	"fmt"
	"runtime"
)

// ThermalState is NSProcessInfoThermalState. It is coarse: Fair covers moderate and
// heavy pressure.
type ThermalState int

// Thermal states.
const (
	Nominal ThermalState = iota
	Fair
	Serious
	Critical
)

func (s ThermalState) String() string {
	if s >= 0 && s <= Critical {
		return [...]string{"nominal", "fair", "serious", "critical"}[s]
	}
	return fmt.Sprintf("unknown (%d)", int(s))
}

// Process is NSProcessInfo: what the system says about this process and its machine.
// Its methods may be called from any goroutine.
type Process struct {
	r                                      *Runtime
	info                                   ID // the process's one object; never released
	thermal, lowPower, begin, end, version Selector
}

// Process finds the process's NSProcessInfo.
func (r *Runtime) Process() (*Process, error) {
	p := &Process{r: r}
	class, err := r.Class("NSProcessInfo")
	if err != nil {
		return nil, err
	}
	err = r.Do(func(t *Thread) error {
		if p.info = ID(t.Send(class, r.Selector("processInfo"))); p.info == 0 {
			return errors.New("NSProcessInfo gives no object")
		}
		t.Retain(p.info)
		for name, s := range map[string]*Selector{
			"thermalState": &p.thermal, "isLowPowerModeEnabled": &p.lowPower,
			"beginActivityWithOptions:reason:": &p.begin, "endActivity:": &p.end,
			"operatingSystemVersionString": &p.version,
		} {
			if *s = r.Selector(name); !t.RespondsTo(p.info, *s) {
				return fmt.Errorf("NSProcessInfo of this system has no %s", name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ThermalState is the machine's.
func (p *Process) ThermalState() (s ThermalState) {
	p.r.Do(func(t *Thread) error { s = ThermalState(t.Send(p.info, p.thermal)); return nil })
	return s
}

// LowPowerMode reports whether the user asked to save energy.
func (p *Process) LowPowerMode() (on bool) {
	p.r.Do(func(t *Thread) error { on = t.Bool(p.info, p.lowPower); return nil })
	return on
}

// SystemVersion is for people: "Version 26.1 (Build 25B78)".
func (p *Process) SystemVersion() (s string) {
	p.r.Do(func(t *Thread) error { s = t.String(ID(t.Send(p.info, p.version))); return nil })
	return s
}

// Options of an activity.
const (
	IdleDisplaySleepDisabled uint64 = 1 << 40
	IdleSystemSleepDisabled  uint64 = 1 << 20
	UserInitiated            uint64 = 0x00FFFFFF // keeps idle sleep and App Nap away
	LatencyCritical          uint64 = 0xFF00000000
)

// Activity is work that the system was told of. It ends with End or with the process,
// however that ends.
type Activity struct {
	p     *Process
	token ID
}

// BeginActivity tells the system that the process does work of that kind, until End.
func (p *Process) BeginActivity(options uint64, reason string) (*Activity, error) {
	a := &Activity{p: p}
	err := p.r.Do(func(t *Thread) error {
		why, err := t.NewString(reason)
		if err != nil {
			return err
		}
		defer t.Release(why)
		if a.token = ID(t.Send(p.info, p.begin, uintptr(options), uintptr(why))); a.token == 0 {
			return errors.New("the system begins no activity")
		}
		t.Retain(a.token)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("begin activity %q: %w", reason, err)
	}
	return a, nil
}

// End ends the activity. It may be called twice, but not at once.
func (a *Activity) End() {
	if a.token == 0 {
		return
	}
	a.p.r.Do(func(t *Thread) error {
		t.Send(a.p.info, a.p.end, uintptr(a.token))
		t.Release(a.token)
		a.token = 0
		return nil
	})
}

// QoS is a quality-of-service class of a thread. The two high ones are a preference for
// performance cores, not a pin; none reaches the GPU.
type QoS uint32

// Quality-of-service classes.
const (
	QoSUserInteractive QoS = 0x21
	QoSUserInitiated   QoS = 0x19
	QoSDefault         QoS = 0x15
	QoSUtility         QoS = 0x11
	QoSBackground      QoS = 0x09
)

// QoS is the class of the thread; 0 if it has none, as after pthread_setschedparam,
// which ends the thread's part in the scheme for good.
func (t *Thread) QoS() (QoS, error) {
	fn, err := t.r.Symbol("qos_class_self")
	if err != nil {
		return 0, err
	}
	return QoS(t.Call(fn)), nil
}

// SetQoS changes the class of the thread. Leave restores what it was.
func (t *Thread) SetQoS(q QoS) error {
	was, err := t.QoS()
	if err == nil {
		err = t.setQoS(q)
	}
	if err != nil {
		return fmt.Errorf("set quality of service %#x of a thread: %w", uint32(q), err)
	}
	if t.qos == 0 {
		t.qos = was
	}
	return nil
}

func (t *Thread) setQoS(q QoS) error {
	fn, err := t.r.Symbol("pthread_set_qos_class_self_np")
	if err != nil {
		return err
	}
	if rc := int32(t.Call(fn, uintptr(q), 0)); rc != 0 {
		return fmt.Errorf("%s refused: error %d", runtime.GOOS, rc)
	}
	return nil
}

func (t *Thread) restoreQoS() {
	if t.qos != 0 {
		_ = t.setQoS(t.qos) // it was accepted before
	}
}

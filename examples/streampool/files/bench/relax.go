package main

import (
	"fmt"
	"math"
	"math/cmplx"
)

// point is one oscillator, as the kernel stores it.
type point struct{ x, v float32 }

// fill sets the points to a fixed pattern of unequal amplitudes and phases.
func fill(points []point) {
	for i := range points {
		amplitude := 1 + float64(i%97)/97
		phase := 2 * math.Pi * float64(i%251) / 251
		points[i] = point{float32(amplitude * math.Cos(phase)), float32(amplitude * math.Sin(phase))}
	}
}

// relax is one pass of the kernel over the points, in the kernel's arithmetic: float32,
// one sweep after the other, each depending on the one before.
func relax(points []point, c constants) {
	decay, cos, sin := float32(c.Decay), float32(c.Cos), float32(c.Sin)
	for i, p := range points {
		for range c.Sweeps {
			p = point{decay * (cos*p.x - sin*p.v), decay * (sin*p.x + cos*p.v)}
		}
		points[i] = p
	}
}

// verify compares one pass over a fresh pattern with the closed form: sweep is a
// multiplication by one complex number, a pass its power. The tolerance grows with the
// number of sweeps, as rounding does, and stays far below the step of one sweep.
func verify(n int, c constants) error {
	points := make([]point, n)
	fill(points)
	before := make([]point, n)
	copy(before, points)
	relax(points, c)

	turn := complex(float64(float32(c.Decay)), 0) *
		complex(float64(float32(c.Cos)), float64(float32(c.Sin)))
	pass := cmplx.Pow(turn, complex(float64(c.Sweeps), 0))
	tolerance := 4 * float64(c.Sweeps) * 0x1p-23
	for i, p := range points {
		start := complex(float64(before[i].x), float64(before[i].v))
		want, got := start*pass, complex(float64(p.x), float64(p.v))
		if off := cmplx.Abs(got - want); !(off <= tolerance*cmplx.Abs(start)) {
			return fmt.Errorf("point %d of %d after %d sweeps: got %.7g, want %.7g", i, n, c.Sweeps, got, want)
		}
	}
	return nil
}

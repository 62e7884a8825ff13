package baseline

import (
	"fmt"
	"math"
	"strconv"
)

// Format writes a value of a unit for people, four significant digits at most:
// "98.12k ops/s", "1.240 ms", "+31.0%" for a ratio, "3.92x". NaN is "n/a".
func Format(v float64, unit string) string {
	if math.IsNaN(v) {
		return "n/a"
	}
	switch unit {
	case "ratio":
		return Percent(v)
	case "x":
		if a := math.Abs(v); a >= 0.1 && a < 99.95 {
			return strconv.FormatFloat(v, 'f', 2, 64) + "x"
		}
		return scaled(v) + "x"
	case "%":
		return scaled(v) + "%"
	case "", "1":
		return scaled(v)
	case "sec", "s", "sec/op":
		return seconds(v)
	}
	return scaled(v) + " " + unit
}

// Percent writes a relative change with its sign: 0.31 is "+31.0%".
func Percent(v float64) string {
	switch {
	case math.IsNaN(v):
		return "n/a"
	case math.Abs(v) >= 0.9995:
		return fmt.Sprintf("%+.0f%%", 100*v)
	}
	s := fmt.Sprintf("%+.1f%%", 100*v)
	if s == "-0.0%" || s == "+0.0%" {
		return "0.0%"
	}
	return s
}

func seconds(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0 s"
	case a < 999.95e-9:
		return plain(v*1e9) + " ns"
	case a < 999.95e-6:
		return plain(v*1e6) + " µs"
	case a < 999.95e-3:
		return plain(v*1e3) + " ms"
	}
	return plain(v) + " s"
}

// scaled shortens numbers from ten thousand on with k, M, G and T.
func scaled(v float64) string {
	a := math.Abs(v)
	switch {
	case a < 9999.5 || math.IsInf(v, 0):
		return plain(v)
	case a < 999.95e3:
		return plain(v/1e3) + "k"
	case a < 999.95e6:
		return plain(v/1e6) + "M"
	case a < 999.95e9:
		return plain(v/1e9) + "G"
	case a < 999.95e12:
		return plain(v/1e12) + "T"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// plain writes four significant digits without an exponent where that is readable.
func plain(v float64) string {
	a := math.Abs(v)
	switch {
	case v == 0:
		return "0"
	case a >= 1000 && a < 1e7:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 100 && a < 1000:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 10 && a < 100:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a >= 0.001 && a < 10:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

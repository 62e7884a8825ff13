//go:build !race

package storetest

// Race: the race detector is on, and SQLite, which is Go here, about ten times slower.
const Race = false

//go:build race

package harnesstest

const raceDetector = true

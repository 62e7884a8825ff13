//go:build race

package objc_test

const raceDetector = true

//go:build race

package netpolicy

const raceDetector = true

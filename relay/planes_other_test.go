//go:build !linux

package relay_test

var socketPlanes = []socketPlane{{"std", openStd}}

//go:build !linux

package main

import (
	"errors"

	"turnpike/relay/dataplane"
)

const haveMMSG = false

func newMMSG(planeSettings) (dataplane.Plane, error) {
	return nil, errors.New("the data plane mmsg takes Linux")
}

// Command turnpike is a hardened TURN and STUN relay server.
//
// Read run.go first: it builds the parts, serves, and stops, top to bottom.
// wire.go turns settings into each part's Options; dev.go makes the settings
// of a development server and says how to use it.
package main

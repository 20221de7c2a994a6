// Package mmsg is the data plane for Linux.
package mmsg

// Package redistest runs real redis-server processes for tests: one alone, one
// with a replica under Sentinels, or a Cluster. They listen on loopback, write to
// a directory of the test and end with it.
package redistest

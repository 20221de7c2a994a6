// Package storetest holds the one suite that every [ratelimit.Store] passes.
package storetest

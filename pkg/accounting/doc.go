// Package accounting keeps a record of every session that ended and of every
// credential that was given with something to remember, for who bills by them.
//
// A record is one line of JSON: see [Session] and [Credential]. It has a key by
// which it is known again, and which is different for any two. [File] appends
// lines to a file that others may rename, so that each stands there once, whole
// and in order, also if the disk was full for a while. A kill loses no line that
// was written; a power cut what the disk had not got yet, a second's worth.
package accounting

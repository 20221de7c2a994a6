// Package snippet prints the settings with which applications use this server:
// what stands in their own configuration, and what has to stand in ours.
//
// Most applications mint their credentials themselves, with a secret that they
// share with the TURN server (draft-uberti-behave-turn-rest-00); some ask an
// issuer over HTTP, some know a fixed user and password only. [Apps] says which
// does what. What they mint is in docs/interop.md.
//
// Each has a template under apps. Its output is a whole file, or a part of one,
// in the language of the application, and nothing else, so that it can be
// written to where it belongs. Whatever is put into it is quoted for that
// language.
package snippet

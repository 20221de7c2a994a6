package config

import "crypto/sha256"

// sum tells contents apart: of the main file, of each policy file with its
// name, and of each file of a secret. The zero sum is of none.
type sum [sha256.Size]byte

func (s *sum) add(name string, data []byte) {
	named, held := sha256.Sum256([]byte(name)), sha256.Sum256(data)
	*s = sha256.Sum256(append(append(s[:len(s):len(s)], named[:]...), held[:]...))
}

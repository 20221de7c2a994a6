package config

import "crypto/sha256"

// sum tells contents apart: of the main file, and of each policy file with its
// name. The zero sum is of none.
type sum [sha256.Size]byte

func (s *sum) add(name string, data []byte) {
	named, held := sha256.Sum256([]byte(name)), sha256.Sum256(data)
	*s = sha256.Sum256(append(append(s[:len(s):len(s)], named[:]...), held[:]...))
}

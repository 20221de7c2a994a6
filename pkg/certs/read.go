package certs

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// maxFile is far beyond any chain.
const maxFile = 1 << 20

// read takes a pair from its files, or says all that is wrong with them.
func read(certFile, keyFile string, now time.Time) (*tls.Certificate, error) {
	var faults Faults
	certPEM := readFile("certificate", certFile, &faults)
	keyPEM := certPEM
	if keyFile != certFile {
		keyPEM = readFile("key", keyFile, &faults)
	}
	if certPEM == nil || keyPEM == nil {
		return nil, faults
	}
	pair := parse(certFile, certPEM, keyFile, keyPEM, now, &faults)
	if faults != nil {
		return nil, faults
	}
	return pair, nil
}

// parse is read without files. Its result counts only if it adds no fault.
func parse(certFile string, certPEM []byte, keyFile string, keyPEM []byte, now time.Time, faults *Faults) *tls.Certificate {
	chain := parseChain(certFile, certPEM, faults)
	key := parseKey(keyFile, keyPEM, faults)
	pair := &tls.Certificate{PrivateKey: key}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	if len(chain) == 0 {
		return pair
	}
	pair.Leaf = chain[0]
	checkChain(certFile, chain, now, faults)
	if key != nil {
		checkFit(certFile, chain, keyFile, key, faults)
	}
	return pair
}

// readFile reads a file that holds PEM; nil means it added a fault.
func readFile(what, path string, faults *Faults) []byte {
	fail := func(reason, cure string) []byte {
		faults.add(path, reason, cure)
		return nil
	}
	if path == "" {
		return fail("no "+what+" file is named", "name both the certificate and the key")
	}
	// Without O_NONBLOCK a named pipe would hold us until somebody writes.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fail("cannot be read: "+cause(err), "give the path of a file that the server's user may read")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail("cannot be read: "+cause(err), "check the disk")
	}
	if !info.Mode().IsRegular() {
		return fail("is not a regular file", "give the path of a PEM file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return fail("cannot be read: "+cause(err), "check the disk")
	case len(data) == 0:
		return fail("is empty", "write the PEM text into it")
	case len(data) > maxFile:
		return fail("is larger than 1 MiB", "give the server's own chain, not the list of all authorities")
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 && bytes.Contains(data, []byte(" PRIVATE KEY-----")) {
		faults.add(path, fmt.Sprintf("holds a private key and is open to everyone (mode %04o)", mode),
			"run chmod o= on it (a Kubernetes secret volume: defaultMode 0440)")
	}
	return data
}

// cause is an error without the path, which the fault names already.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}

// blocks are the PEM blocks of data. A block that is cut short or damaged would
// be skipped by pem.Decode; here it makes the file unsound, or a chain that is
// being written would be served without its end.
func blocks(data []byte) (list []*pem.Block, sound bool) {
	begins := bytes.Count(data, []byte("-----BEGIN "))
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return list, len(list) == begins
		}
		list = append(list, b)
	}
}

func parseChain(path string, data []byte, faults *Faults) (chain []*x509.Certificate) {
	list, sound := blocks(data)
	if !sound {
		faults.add(path, "a PEM block is damaged or cut short", "copy the file again, whole")
		return nil
	}
	for _, b := range list {
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			faults.add(path, fmt.Sprintf("certificate %d cannot be read: %v", len(chain)+1, err), "issue it again")
			return nil
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		faults.add(path, "no CERTIFICATE block in it", "give the certificate chain as PEM (openssl x509 -inform der turns DER into it)")
	}
	return chain
}

// parseKey gives the first private key of data, or nil and a fault.
func parseKey(path string, data []byte, faults *Faults) crypto.Signer {
	list, sound := blocks(data)
	if !sound {
		faults.add(path, "a PEM block is damaged or cut short", "copy the file again, whole")
		return nil
	}
	for _, b := range list {
		if !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			continue
		}
		if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
			faults.add(path, "the private key is encrypted", "decrypt it: openssl pkey -in FILE -out NEW")
			return nil
		}
		key := signer(b.Bytes)
		if key == nil {
			faults.add(path, "the private key cannot be read", "give an RSA, ECDSA or Ed25519 key as PEM (openssl pkey -in FILE -check)")
			return nil
		}
		return key
	}
	faults.add(path, "no PRIVATE KEY block in it", "give the certificate's private key as PEM")
	return nil
}

// signer reads a key by its content, as the block's type is often wrong about it.
func signer(der []byte) crypto.Signer {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		s, _ := key.(crypto.Signer) // X25519 signs nothing
		return s
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	return nil
}

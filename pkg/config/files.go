package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	maxConfigBytes = 1 << 20
	maxSecretBytes = 1 << 16
	minNonceKey    = 32
)

// forOthers are the permissions of whoever is neither the owner nor in the
// group of a file.
const forOthers fs.FileMode = 0o007

// readConfig gives the bytes of the file, or nil.
func (l *loader) readConfig() []byte {
	data, mode, err := readRegular(l.file, maxConfigBytes)
	if err == nil {
		l.dir, err = filepath.Abs(filepath.Dir(l.file))
	}
	if err != nil {
		l.faults = append(l.faults, Fault{File: l.file, Reason: "can't be read: " + err.Error(),
			Cure: "give the path of a configuration file that this user may read"})
		return nil
	}
	l.exposed = mode&forOthers != 0
	return append([]byte{}, data...)
}

// readRegular reads a whole file. One that is not regular could make the start
// wait for ever.
func readRegular(path string, most int64) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, 0, reasonOf(err)
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, reasonOf(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return data, info.Mode(), err
}

// reasonOf is an error without the path, which the fault names already.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// resolve is the file that a name in the configuration means: a bare name is
// first one of systemd's credentials, else it starts at the folder of the file.
func (l *loader) resolve(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	if l.credentials != "" && !strings.ContainsRune(name, filepath.Separator) {
		path := filepath.Join(l.credentials, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return filepath.Join(l.dir, name)
}

// resolveFolder is the folder that a name in the configuration means.
func (l *loader) resolveFolder(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(l.dir, name)
}

// readFor reads a file that the value at path names. A secret one may not be
// readable by everybody.
func (l *loader) readFor(path, file string, secret bool) ([]byte, bool) {
	data, mode, err := readRegular(file, maxSecretBytes)
	switch {
	case err != nil:
		l.fault(path, fmt.Sprintf("%s can't be read: %v", plain(file), err), "give a file that this user may read")
	case secret && mode&forOthers != 0:
		l.fault(path, fmt.Sprintf("%s can be read or written by everybody (mode %04o)", plain(file), mode.Perm()),
			"run chmod o= on it; a secret mounted into a container takes the mode 0440")
	case len(data) == 0:
		l.fault(path, plain(file)+" is empty", "write the value into it")
	default:
		return data, true
	}
	return nil, false
}

// readOpen is readFor of what is no secret.
func (l *loader) readOpen(path, file string) ([]byte, bool) { return l.readFor(path, file, false) }

// named is a file of a secret that the configuration names, and what it held.
type named struct {
	file string
	data []byte
}

// readSecret is readFor of a secret, which Watch follows too.
func (l *loader) readSecret(path, file string) ([]byte, bool) {
	data, ok := l.readFor(path, file, true)
	l.named = append(l.named, named{file, data})
	return data, ok
}

// oneLine is the text of a file without the line end that editors add.
func oneLine(data []byte) string {
	text, ended := strings.CutSuffix(string(data), "\n")
	if ended {
		text = strings.TrimSuffix(text, "\r")
	}
	return text
}

// completeSecret settles a pair of keys of the entry at path: the secret, or
// the file that holds it.
func (l *loader) completeSecret(path string, secret *Secret, file *string) {
	l.completeNamed(path, "secret", secret, file)
}

// completeNamed is completeSecret of keys with another name.
func (l *loader) completeNamed(path, name string, secret *Secret, file *string) {
	inline, inFile := under(path, name), under(path, name+"_file")
	given := secret.text != nil && !l.isBad(inline)
	switch {
	case given && *file != "":
		l.judge(inFile, "is given beside "+name, "keep one of the two")
	case given && l.exposed && l.places[inline].variable == "":
		l.judge(inline, "stands in a file that can be read or written by everybody",
			"run chmod o= "+l.file+", or put the "+name+" into a file of its own ("+name+"_file)")
	case given:
	case *file == "":
		l.judge(path, "has no "+name, "give "+name+"_file, or "+name, inline, inFile)
	default:
		*file = l.resolve(*file)
		data, ok := l.readSecret(inFile, *file)
		if ok && oneLine(data) == "" {
			l.fault(inFile, plain(*file)+" holds nothing but a line end", "write the "+name+" into it")
		}
		*secret = newSecret(oneLine(data))
	}
}

// completeUser settles a user's name, and which of three keys has what it signs
// with.
func (l *loader) completeUser(path string, u *User) {
	if u.Username == "" {
		u.Username = u.ID
	}
	if u.KeyFile == "" {
		l.completeSecret(path, &u.Secret, &u.SecretFile)
		return
	}
	at := under(path, "key_file")
	if u.Secret.text != nil || u.SecretFile != "" {
		l.judge(at, "is given beside a password", "keep one of key_file, secret_file and secret", under(path, "secret"), under(path, "secret_file"))
		return
	}
	u.KeyFile = l.resolve(u.KeyFile)
	data, _ := l.readSecret(at, u.KeyFile)
	u.Secret = newSecret(oneLine(data))
}

// completeKey reads a key as it stands: it may be binary, and a line end part of it.
func (l *loader) completeKey(path, file string, least int) (string, Secret) {
	if file == "" {
		return "", Secret{}
	}
	file = l.resolve(file)
	data, ok := l.readSecret(path, file)
	if ok && len(data) < least {
		l.fault(path, fmt.Sprintf("%s has %d bytes", plain(file), len(data)),
			fmt.Sprintf("write %d random ones into it: head -c %d /dev/urandom", least, least))
	}
	return file, newSecret(string(data))
}

// completeCertificate checks that the files of a certificate are there. What
// they hold is for whoever uses them.
func (l *loader) completeCertificate(path string, certificate, key *string) {
	certificateAt, keyAt := under(path, "certificate_file"), under(path, "key_file")
	switch {
	case *certificate == "" && *key == "":
		return
	case *certificate == "":
		l.judge(keyAt, "has no certificate to go with", "give "+certificateAt+" too", certificateAt)
		return
	case *key == "":
		l.judge(certificateAt, "has no key to go with", "give "+keyAt+" too", keyAt)
		return
	}
	*certificate, *key = l.resolve(*certificate), l.resolve(*key)
	l.readFor(certificateAt, *certificate, false)
	l.readFor(keyAt, *key, true)
}

package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// maxPEM bounds a file, in bytes.
const maxPEM = 1 << 20

// file is a certificate in two files, and what was read of them last. The
// manager's mutex guards it, but not the certificate, which is never changed.
type file struct {
	File
	cert      *tls.Certificate
	hosts     []string
	certBytes []byte // what was read last, sound or not
	keyBytes  []byte
	err       error // why that is not used; then cert is the one before
	failed    time.Time
	failures  uint64
}

// openFiles reads all files, or says what is wrong with each.
func openFiles(all []File) ([]*file, error) {
	var files []*file
	var problems []error
	for _, f := range all {
		opened := &file{File: f}
		if _, err := opened.update(time.Now(), f.read()); err != nil {
			problems = append(problems, err)
		}
		files = append(files, opened)
	}
	return files, errors.Join(problems...)
}

// contents are what two files hold, or why that cannot be read.
type contents struct {
	cert, key []byte
	err       error
}

// read reads the files. It may block as long as the disk takes.
func (f File) read() (c contents) {
	if c.cert, c.err = readPEM(f.Cert); c.err == nil {
		c.key, c.err = readPEM(f.Key)
	}
	return c
}

// update takes over what the files hold, and reports whether that is another
// certificate than before. What is wrong is told once for each change.
func (f *file) update(now time.Time, c contents) (changed bool, err error) {
	if err = c.err; err == nil {
		if f.certBytes != nil && bytes.Equal(c.cert, f.certBytes) && bytes.Equal(c.key, f.keyBytes) {
			return false, nil
		}
		f.certBytes, f.keyBytes = c.cert, c.key
		err = f.take(c.cert, c.key)
	} else {
		f.certBytes = nil // so that it is told when they are there again, though they be the same
	}
	if err == nil {
		f.err = nil
		return true, nil
	}
	err = fmt.Errorf("certificate %s: %w", f.Cert, err)
	if f.err != nil && f.err.Error() == err.Error() {
		return false, nil
	}
	f.err, f.failed = err, now
	f.failures++
	return false, err
}

// take makes the contents of the files the certificate.
func (f *file) take(cert, key []byte) error {
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("it does not go with the key %s: %s", f.Key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	hosts := f.Hosts
	if len(hosts) == 0 {
		hosts = c.Leaf.DNSNames
	}
	if len(hosts) == 0 {
		return errors.New("it names no host: set hosts, or use one with names (subjectAltName)")
	}
	f.cert, f.hosts = &c, nil
	for _, h := range hosts {
		if name, err := normalHost(h); err == nil {
			f.hosts = append(f.hosts, name)
		}
	}
	return nil
}

func readPEM(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxPEM || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", path, maxPEM)
	}
	return os.ReadFile(path)
}

// shelve sorts the certificates of files by host, in the order of the
// configuration.
func shelve(files []*file) map[string][]*tls.Certificate {
	all := map[string][]*tls.Certificate{}
	for _, f := range files {
		for _, h := range f.hosts {
			if !slices.Contains(all[h], f.cert) {
				all[h] = append(all[h], f.cert)
			}
		}
	}
	return all
}

// readFiles looks whether files have changed. Asking for their contents finds
// every kind of replacement, and is cheap for what is so small.
func (m *Manager) readFiles() {
	m.mu.Lock()
	files := m.files
	m.mu.Unlock()
	all := make([]contents, len(files))
	for i, f := range files {
		all[i] = f.File.read() // without m.mu: the disk may hang
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	any := false
	for i, f := range files {
		changed, err := f.update(time.Now(), all[i])
		if err != nil {
			m.log.Warn("a certificate's file cannot be used, keeping the last one", "err", err)
		}
		if changed {
			any = true
			m.log.Info("certificate read", "file", f.Cert, "hosts", f.hosts, "not_after", f.cert.Leaf.NotAfter)
		}
	}
	if any { // which does nothing for files that are configured no more
		m.shelf.putFiles(shelve(m.files))
		m.reconcile() // other hosts may have one now, or none
	}
}

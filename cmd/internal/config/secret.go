package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecret bounds a secret, and the file that it stands in.
const maxSecret = 4 << 10

// secret reads what a key says where to find, so that the configuration holds no
// secrets itself: "file:PATH", of which the white space at both ends does not
// count, or "env:NAME".
func secret(where string) (string, error) {
	kind, name, _ := strings.Cut(where, ":")
	var value string
	switch {
	case kind == "env" && name != "":
		value = os.Getenv(name)
		if value == "" {
			return "", fmt.Errorf("%s: there is no such variable in the environment, or it is empty", where)
		}
	case kind == "file" && name != "":
		var err error
		if value, err = secretFile(name); err != nil {
			return "", fmt.Errorf("%s: %w", where, err)
		}
	default:
		return "", fmt.Errorf("%q does not say where the secret is: use file:PATH or env:NAME", where)
	}
	if value = strings.TrimSpace(value); len(value) < 16 {
		return "", fmt.Errorf("%s: the secret is too short: use 16 characters or more, such as those of openssl rand -hex 16", where)
	}
	return value, nil
}

func secretFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if len(data) > maxSecret {
		return "", fmt.Errorf("it is larger than %d bytes", maxSecret)
	}
	return string(data), err
}

// reveal reads all secrets that the configuration speaks of.
func (c *Config) reveal() []problem {
	var all []problem
	read := func(path, where string) string {
		if where == "" {
			return ""
		}
		value, err := secret(where)
		if err != nil {
			all = append(all, problem{path, err.Error()})
		}
		return value
	}
	c.Admin.Secrets.Token = read("admin.token", c.Admin.Token)
	c.Admin.Secrets.ReadToken = read("admin.read_token", c.Admin.ReadToken)
	if t := c.Admin.Secrets.Token; t != "" && t == c.Admin.Secrets.ReadToken {
		all = append(all, problem{"admin.read_token", "it is the same as admin.token: use another, which may only read"})
	}
	c.TLS.Secrets.EABKey = read("tls.eab_key", c.TLS.EABKey)
	for i := range c.Services {
		o := &c.Services[i].Override
		o.Secrets = nil
		for _, where := range o.Tokens {
			o.Secrets = append(o.Secrets, read(fmt.Sprintf("service[%d].override.tokens", i), where))
		}
		if t := &c.Services[i].TLS; t.ClientCA != "" {
			var err error
			if t.Authorities, err = authorities(t.ClientCA); err != nil {
				all = append(all, problem{fmt.Sprintf("service[%d].tls.client_ca", i), err.Error()})
			}
		}
	}
	return all
}

package main

import (
	"testing"

	"divvy/testdata/ports"
)

func freePort(t *testing.T) string {
	t.Helper()
	addr, err := ports.Unused()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

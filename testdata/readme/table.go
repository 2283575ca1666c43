// Package readme holds the tables of the README against what tests compute.
package readme

import (
	"os"
	"strings"
	"testing"
)

// Holds fails the test unless the README in a file has a table at its place, which is
// between two comments that name it. UPDATE_README=1 writes it there instead.
func Holds(t *testing.T, file, name, table string) {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(readme), begin)
	stands, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok1 || !ok2:
		t.Errorf("the README has no place for the %s: write\n%s%s", name, begin, end)
	case stands == table:
	case os.Getenv("UPDATE_README") != "":
		if err := os.WriteFile(file, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the README has another %s (UPDATE_README=1 writes this one):\n%s\nit has:\n%s", name, table, stands)
	}
}

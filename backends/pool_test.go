package backends

import (
	"fmt"
	"testing"
)

// The time of a list that is ten times as long is to be ten times as long. Run it
// to see.
func BenchmarkComeAndGo(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		c := DefaultCare()
		var list []Endpoint
		for i := range n {
			e := endpoint(fmt.Sprintf("c%d", i), "sha256:aa", "v1", 0)
			e.Care = &c
			list = append(list, e)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := new(Registry)
			for b.Loop() {
				r.Replace(list)
				r.Replace(nil)
			}
		})
	}
}

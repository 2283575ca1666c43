package backends

import (
	"fmt"
	"strings"
)

// MostNamed is how many of a list are named to people.
const MostNamed = 3

// Enumerate names the first of a list, and says whether there are others.
func Enumerate[T any](list []T) string {
	var names []string
	for _, v := range list[:min(MostNamed, len(list))] {
		names = append(names, fmt.Sprint(v))
	}
	text := strings.Join(names, ", ")
	if len(list) > MostNamed {
		text += " and others"
	}
	return text
}

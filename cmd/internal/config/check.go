package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// check compares a decoded file with the type that it is to become, and
// returns every key that does not fit. The library would stop at the first,
// and would take a bare number for nanoseconds.
func check(path string, value any, t reflect.Type) []problem {
	if t == reflect.TypeFor[time.Duration]() {
		return checkDuration(path, value)
	}
	switch t.Kind() {
	case reflect.Pointer: // a key that need not be there
		return check(path, value, t.Elem())
	case reflect.Struct:
		return checkTable(path, value, t)
	case reflect.Map:
		table, ok := value.(map[string]any)
		if !ok {
			return mismatch(path, value, "a table")
		}
		var all []problem
		for _, k := range sortedKeys(table) {
			all = append(all, check(path+"."+k, table[k], t.Elem())...)
		}
		return all
	case reflect.Slice:
		return checkList(path, value, t.Elem())
	case reflect.String:
		return expect[string](path, value, "a string in quotes")
	case reflect.Bool:
		return expect[bool](path, value, "true or false")
	case reflect.Float64:
		if _, whole := value.(int64); whole {
			return nil
		}
		return expect[float64](path, value, "a number")
	default:
		return expect[int64](path, value, "a whole number")
	}
}

func checkTable(path string, value any, t reflect.Type) []problem {
	table, ok := value.(map[string]any)
	if !ok {
		return mismatch(path, value, "a table")
	}
	known := fields(t)
	var all []problem
	for _, k := range sortedKeys(table) {
		at := strings.TrimPrefix(path+"."+k, ".")
		ft, ok := known[k]
		if !ok {
			all = append(all, problem{at, "unknown key: use " + strings.Join(sortedKeys(known), ", ")})
			continue
		}
		all = append(all, check(at, table[k], ft)...)
	}
	return all
}

func checkList(path string, value any, elem reflect.Type) []problem {
	list := reflect.ValueOf(value)
	if list.Kind() != reflect.Slice {
		return mismatch(path, value, "a list in brackets")
	}
	var all []problem
	for i := range list.Len() {
		at := path
		if elem.Kind() == reflect.Struct {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		all = append(all, check(at, list.Index(i).Interface(), elem)...)
	}
	return all
}

func checkDuration(path string, value any) []problem {
	text, ok := value.(string)
	if !ok {
		return mismatch(path, value, `a duration in quotes, such as "30s"`)
	}
	if _, err := time.ParseDuration(text); err != nil {
		return []problem{{path, fmt.Sprintf(`%q is not a duration: use one such as "30s", "5m" or "1h30m"`, text)}}
	}
	return nil
}

func expect[T any](path string, value any, want string) []problem {
	if _, ok := value.(T); ok {
		return nil
	}
	return mismatch(path, value, want)
}

func mismatch(path string, value any, want string) []problem {
	return []problem{{path, fmt.Sprintf("%s does not fit here: use %s", describe(value), want)}}
}

func describe(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("the string %q", v)
	case map[string]any:
		return "a table"
	case int64, float64, bool:
		return fmt.Sprint(v)
	default:
		if reflect.TypeOf(value).Kind() == reflect.Slice {
			return "a list"
		}
		return fmt.Sprintf("%v", v)
	}
}

// fields returns the types of a struct's keys, those of embedded structs too.
func fields(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for f := range t.Fields() {
		if f.Anonymous {
			for k, v := range fields(f.Type) {
				all[k] = v
			}
			continue
		}
		if key := f.Tag.Get("toml"); key != "" && key != "-" {
			all[key] = f.Type
		}
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

package timeline

import (
	"cmp"
	"slices"
	"time"
)

// prune forgets versions that did nothing for long, and where there are too many those
// that did nothing for the longest. r.mu is held.
func (r *Recorder) prune(now time.Time) {
	for service, list := range r.services {
		list = slices.DeleteFunc(list, func(s *series) bool { return now.Unix()-s.last() > int64(keepTime/time.Second) })
		for len(list) > maxVersions {
			list = slices.DeleteFunc(list, is(slices.MinFunc(list, idlest)))
		}
		r.put(service, list)
	}
	r.fit(now)
}

// fit forgets what is furthest back until the rest has room: all versions are told of
// for a shorter time. r.mu is held.
func (r *Recorder) fit(now time.Time) {
	room, keep := cmp.Or(r.room, maxBytes), keepTime
	total := r.bytes()
	for ; total > room && keep > time.Minute; total = r.bytes() {
		keep /= 2
		for service, list := range r.services {
			for _, s := range list {
				s.forget(now.Add(-keep).Unix())
			}
			r.put(service, slices.DeleteFunc(list, func(s *series) bool { return s.last() == 0 }))
		}
	}
	if total > room {
		r.services = map[string][]*series{} // so many do something in a minute
	}
	if keep < keepTime && !r.short {
		r.Log.Warn("there is no room to remember for two weeks what all versions do: reports tell of a shorter time", "room", room, "time", keep)
	}
	r.short = keep < keepTime || r.short && total > room/4
}

// bytes returns about how much memory all takes.
func (r *Recorder) bytes() (n int) {
	for _, list := range r.services {
		for _, s := range list {
			n += s.bytes()
		}
	}
	return n
}

// forget forgets points that began before a time.
func (s *series) forget(before int64) {
	for i, list := range s.Levels {
		s.Levels[i] = slices.Clip(slices.DeleteFunc(list, func(p *point) bool { return p.Start < before }))
	}
}

// put sets the versions of a service, of which there may be none.
func (r *Recorder) put(service string, list []*series) {
	if r.services[service] = list; len(list) == 0 {
		delete(r.services, service)
	}
}

func is(one *series) func(*series) bool { return func(s *series) bool { return s == one } }

// idlest orders versions by when they did something last.
func idlest(a, b *series) int { return cmp.Compare(a.last(), b.last()) }

// last returns when the series was added to last, in Unix seconds.
func (s *series) last() int64 {
	if list := s.Levels[0]; len(list) > 0 {
		return list[len(list)-1].Start
	}
	return 0
}

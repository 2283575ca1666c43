// Package timeline remembers what the versions of services did over time: requests,
// failures, latencies and shares, for the report of a release.
//
// Every minute [Recorder.Run] reads the counters of all versions and notes what has
// been added since. It keeps three series of each version (series.go), each coarser
// and longer than the one before:
//
//	a minute     for two hours
//	ten minutes  for a day
//	an hour      for two weeks
//
// It takes 16 MiB of memory at most (prune.go), which is enough for a hundred versions
// over two weeks; of more, or busier ones, it remembers a shorter time.
//
// All of a service is one value in the storage (store.go), written every few minutes
// and at the end. It is for people to look at: verdicts do not depend on it, and what
// is lost of it by a crash is a gap in a picture. Of several proxies that share
// a storage, each shows its own, and after a start what the last of them has stored.
package timeline

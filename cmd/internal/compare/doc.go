// Package compare keeps the comparisons of candidates with the stable versions of
// their services: what package stats computes, over restarts of divvy, edits and
// several proxies.
//
// # Who is compared
//
// Each time that a table is built, [Manager.Look] chooses for every service who is
// stable and who is a candidate (choose.go), and tells the table where the requests
// of each are counted (arms.go). Stable is the heaviest version at first, and stays
// it until it has no weight, or does not run for some minutes. One comparison belongs
// to each pair (pair.go). A pair is two images and what else shapes what they do, not
// two names: if any of it changes, another comparison begins. What has no weight any
// more rests, and goes on when it has some again.
//
// A service that keeps users with their versions has some who were assigned by
// earlier weights; they are counted by those for as long as they are remembered.
//
// # What is remembered
//
// Each comparison is kept in the storage (keep.go), a value for each recorder that
// counts it, so that nobody writes over what another has counted:
//
//	comparisons/<pair>/<recorder>
//
// What a recorder counts only grows. So the latest value of each is all there is to
// know, and they are added up by whoever reads: this proxy after a restart, its
// successor while both run, or another one that shares the storage. A value has what
// its writer knows of all recorders of the pair (record.go), so that those of
// recorders that are gone need not be kept. A comparison is forgotten 30 days after
// it was last counted.
//
// # What is said
//
// Every two seconds what has changed is judged (status.go, judge.go), and a verdict
// that has become another is told of.
package compare

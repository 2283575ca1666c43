// Package compare keeps the comparisons of candidates with the stable versions of
// their services: what package stats computes, over restarts of divvy, edits and
// several proxies.
//
// # Who is compared
//
// Each time that a table is built, [Manager.Look] chooses for every service who is
// stable and who is a candidate (choose.go), and tells the table where the requests
// of each are counted (arms.go). One [stats.Recorder] belongs to each pair. A pair is
// two images and what else shapes what they do, not two names: if any of it changes,
// another comparison begins.
//
// # What is remembered
//
// Each comparison is kept in the storage (shelf.go), a value for each recorder
// that counts it, so that nobody writes over what another has counted:
//
//	comparisons/<pair>/<recorder>
//
// What a recorder counts only grows. So the latest value of each is all there is
// to know, and they are added up by whoever reads: this proxy after a restart, its
// successor, or another one that shares the storage. A comparison whose versions
// have no weight any more rests: it goes on if they have some again, and is
// forgotten 30 days after it was last counted.
//
// # What is said
//
// Every two seconds what has changed is judged (status.go), and a verdict that has
// become another is told of.
package compare

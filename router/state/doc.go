// Package state remembers who gets what: the split of every service as it was
// edited last, how it came to be so, and what must not get weight by itself
// again.
//
// # One document
//
// All of it is one [Document] with a revision, kept in a [Storage] under one
// key and replaced whole, so that a crash at any point leaves the one before or
// the one after. What a value is not, it is refused as: a damaged document, or
// one of a later format, is never written over.
//
// # One door
//
// Whoever edits, the file, the API, the command line, comes through
// [Keeper.Update] with a change that is a pure function:
//
//	lock the storage ─> load ─> Document.Edit ─> store ─> unlock ─> Changed
//	                              │
//	                              ├ Service.Current   what is in force now
//	                              ├ Edit.Kind         what it is to become
//	                              └ Entry             what the history says of it
//
// Edits that come at the same time are stored together, each with a revision of
// its own. Several proxies may share a storage; each looks every two seconds
// whether another has edited.
//
// # Who owns the weights
//
// The document remembers what the file said when it last took its weights from
// there. A file that says something else now wins; one that says the same leaves
// the document's split in force. Of labels each tag's weight is compared by
// itself: one that is new, or another than it was, is taken over. The labels of a
// container cannot be edited while it runs, but those of a Swarm's service can,
// and a container may be replaced by one with others: then that is recorded, too,
// though it is in force already. What the file says at first is where the
// history begins.
//
// # Going back
//
// A rollback goes back on the last edit that stands, and the next on the one
// before. An image that loses all of its weight by it gets none by itself again,
// until an edit names it: by its digest, or by a tag under which nothing better
// runs. Which image has the weight of a tag that moved is divvy's to find out
// and nobody's edit, so it is not gone back on, unless by Adopt it was one.
package state

package backends

import "time"

// Mutation is evidence that a backend may be something else than what its image
// says.
type Mutation struct {
	Kind MutationKind `json:"kind"`

	// Detail says it to people. It names paths and variables, never values.
	Detail string `json:"detail"`

	// Since is when it happened or, where nobody knows that, was found.
	Since time.Time `json:"since"`
}

// MutationKind is a kind of evidence.
type MutationKind string

// The kinds of evidence.
const (
	MutationConfiguration MutationKind = "configuration" // it is configured unlike the oldest backend of its version
	MutationMount         MutationKind = "mount"         // it may write into something that outlives it
	MutationFiles         MutationKind = "files"         // files differ from those of the image
	MutationExec          MutationKind = "exec"          // somebody started a process in it
	MutationCopy          MutationKind = "copy"          // somebody copied files into it
	MutationUpdate        MutationKind = "update"        // somebody changed its settings while it ran
)

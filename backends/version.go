package backends

import "strings"

// Version is one immutable build of a service. Two containers run the same
// version if and only if their Versions have the same Key.
type Version struct {
	// ImageID is the digest that the engine runs, "sha256:…". It is empty for
	// a static backend, whose version is known by its tag alone.
	ImageID string

	// Tag is the version's name for people: the tag its container was started
	// with. Images without any tag have their short ID here.
	Tag string

	// Repository is the image's repository in its normal form, such as
	// "docker.io/library/shop"; empty for a static backend.
	Repository string

	// Revision, Source and Created are what the image says of itself in the
	// labels org.opencontainers.image.*; empty if it says nothing.
	Revision string
	Source   string
	Created  string
}

// Key returns the version's identity: the image ID, or the tag of a static
// version.
func (v Version) Key() string {
	if v.ImageID == "" {
		return v.Tag
	}
	return v.ImageID
}

// Digest returns the image ID without its algorithm, "" for a static version.
func (v Version) Digest() string {
	_, hex, ok := strings.Cut(v.ImageID, ":")
	if !ok {
		return v.ImageID
	}
	return hex
}

// String returns the name that logs, metrics and pages use: the tag and enough
// of the digest to tell two images of one tag apart, "v1@53bff422". It is a
// function of the version alone, so every proxy calls a version the same.
func (v Version) String() string {
	digest := v.Digest()
	if digest == "" || strings.HasPrefix(digest, v.Tag) {
		return v.Tag
	}
	return v.Tag + "@" + digest[:min(8, len(digest))]
}

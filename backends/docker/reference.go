package docker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"divvy/backends"
)

// latest is the tag that the engine reads into a name without one.
const latest = "latest"

// shortID is how many digits of an ID people and the engine's tools show.
const shortID = 12

// Repository returns the normal form of the repository that image names, so
// that "shop", "shop:v1" and "docker.io/library/shop" are one. A tag and a
// digest are allowed and ignored.
func Repository(image string) (string, error) {
	if strings.Contains(image, "://") {
		return "", fmt.Errorf("image %q: write the repository without a scheme, such as registry.example.com/shop", image)
	}
	ref, err := reference.ParseAnyReference(image)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", image, err)
	}
	named, ok := ref.(reference.Named)
	if !ok {
		return "", fmt.Errorf("image %q: this is the ID of one image; name the repository instead", image)
	}
	return named.Name(), nil
}

// imageName is the name by which a container was started. Inspection still has
// it, as Config.Image, when the list shows only an ID because the tag has moved
// to another image since.
//
//	shop, shop:v1, shop:v1@sha256:…   repository and tag
//	shop@sha256:…                     repository only
//	sha256:…, 12b384c5076f            neither
//
// What is missing is taken from the image, see complete.
type imageName struct {
	repository string // in normal form
	tag        string
}

// parseImageName reads the text that a container was started with; imageID is
// the image that it runs.
func parseImageName(text, imageID string) imageName {
	if isID(text, imageID) {
		return imageName{}
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return imageName{}
	}
	n := imageName{repository: named.Name()}
	switch ref := named.(type) {
	case reference.Tagged: // with or without a digest
		n.tag = ref.Tag()
	case reference.Digested:
	default:
		n.tag = latest
	}
	return n
}

// isID reports whether text is imageID or the beginning of it. To the grammar
// an abbreviated ID is a good repository name, and a full one is a repository
// "sha256" with a tag. Fewer than three digits are rather a name.
func isID(text, imageID string) bool {
	if strings.HasPrefix(text, "sha256:") {
		return strings.HasPrefix(imageID, text)
	}
	return len(text) >= 3 && strings.HasPrefix(digits(imageID), text)
}

func digits(imageID string) string { return backends.Version{ImageID: imageID}.Digest() }

// complete fills in what n lacks from the names that the image has today. Among
// several it takes the first in alphabetical order, so that every proxy takes
// the same. An image without a name has the beginning of its ID as its tag.
func (n imageName) complete(repoTags, repoDigests []string, imageID string) imageName {
	if n.tag != "" {
		return n
	}
	for _, text := range slices.Sorted(slices.Values(repoTags)) {
		named, err := reference.ParseNormalizedNamed(text)
		if err != nil { // "<none>:<none>"
			continue
		}
		tagged, ok := named.(reference.Tagged)
		if ok && (n.repository == "" || n.repository == named.Name()) {
			return imageName{named.Name(), tagged.Tag()}
		}
	}
	for _, text := range slices.Sorted(slices.Values(repoDigests)) {
		named, err := reference.ParseNormalizedNamed(text)
		if err == nil && n.repository == "" {
			n.repository = named.Name()
		}
	}
	hex := digits(imageID)
	n.tag = hex[:min(shortID, len(hex))]
	return n
}

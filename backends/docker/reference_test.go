package docker

import (
	"strings"
	"testing"
)

const (
	testDigest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	testImage  = "sha256:210fe938cd1aa3b5c2d0d4f0b7d7a2b0d6a7bb11f2f6ecb6f8e7a1a3a8a1c0de"
)

func TestRepository(t *testing.T) {
	t.Parallel()
	f := func(in, want string) {
		t.Helper()
		if got, err := Repository(in); got != want || err != nil {
			t.Errorf("Repository(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	f("shop", "docker.io/library/shop")
	f("shop:v1", "docker.io/library/shop")
	f("docker.io/library/shop", "docker.io/library/shop")
	f("docker.io/shop", "docker.io/library/shop")
	f("index.docker.io/library/shop:v1", "docker.io/library/shop")
	f("library/shop", "docker.io/library/shop")
	f("acme/shop", "docker.io/acme/shop")
	f("shop:v1@"+testDigest, "docker.io/library/shop")
	f("shop@"+testDigest, "docker.io/library/shop")
	f("registry.example.com/shop", "registry.example.com/shop")
	f("registry.example.com:5000/team/shop:v1", "registry.example.com:5000/team/shop")
	f("localhost/shop", "localhost/shop")
	f("localhost:5000/shop", "localhost:5000/shop")
	f("[::1]:5000/shop", "[::1]:5000/shop")
}

func TestRepositoryRefuses(t *testing.T) {
	t.Parallel()
	f := func(in, hint string) {
		t.Helper()
		_, err := Repository(in)
		if err == nil || !strings.HasPrefix(err.Error(), `image "`) || !strings.Contains(err.Error(), hint) {
			t.Errorf("Repository(%q) = %v, want an error about %q", in, err, hint)
		}
	}
	f("", "")
	f("Shop", "lowercase")
	f("shop v1", "invalid")
	f("shop:", "invalid")
	f("https://registry.example.com/shop", "without a scheme")
	f(testDigest, "the ID of one image")
	f(strings.TrimPrefix(testDigest, "sha256:"), "the ID of one image")
}

func FuzzRepository(f *testing.F) {
	for _, seed := range []string{"shop", "shop:v1", "a.b:1/c/d@" + testDigest, "docker.io/docker.io/x", "[::1]:5/x", "Shop", "://", testDigest} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, image string) {
		once, err := Repository(image)
		if err != nil {
			return
		}
		if twice, err := Repository(once); twice != once || err != nil {
			t.Errorf("Repository(%q) = %q, but Repository of that is %q, %v", image, once, twice, err)
		}
	})
}

func TestImageName(t *testing.T) {
	t.Parallel()
	f := func(text, repository, tag string) {
		t.Helper()
		if got := parseImageName(text, testImage); got != (imageName{repository, tag}) {
			t.Errorf("%q is %+v, want repository %q and tag %q", text, got, repository, tag)
		}
	}
	f("shop", "docker.io/library/shop", "latest")
	f("shop:v1", "docker.io/library/shop", "v1")
	f("r.example.com:5000/shop:v1", "r.example.com:5000/shop", "v1")
	f("shop:v1@"+testDigest, "docker.io/library/shop", "v1") // as Swarm writes it
	f("shop@"+testDigest, "docker.io/library/shop", "")
	// An ID, full or abbreviated, is also a name to the grammar.
	f(testImage, "", "")
	f(testImage[:20], "", "")
	f("210fe938cd1a", "", "")
	f("210", "", "")
	// But this is the name of an image with another ID.
	f("53b", "docker.io/library/53b", "latest")
	f("sha256:v1", "docker.io/library/sha256", "v1")
	f("not a name", "", "")
	f("", "", "")
}

func TestImageNameIsCompletedByTheImage(t *testing.T) {
	t.Parallel()
	type list = []string
	f := func(n imageName, tags, digests list, repository, tag string) {
		t.Helper()
		if got := n.complete(tags, digests, testImage); got != (imageName{repository, tag}) {
			t.Errorf("%+v of tags %q and digests %q is %+v, want repository %q and tag %q", n, tags, digests, got, repository, tag)
		}
	}
	shop := imageName{repository: "docker.io/library/shop"}
	none := imageName{}

	f(imageName{"docker.io/library/shop", "v1"}, list{"shop:v0"}, nil, "docker.io/library/shop", "v1")
	f(shop, list{"shop:v2", "shop:v1", "app:v0"}, nil, "docker.io/library/shop", "v1")
	f(shop, list{"app:v0"}, nil, "docker.io/library/shop", "210fe938cd1a")
	f(shop, nil, list{"app@" + testDigest}, "docker.io/library/shop", "210fe938cd1a")
	f(none, list{"shop:v2", "app:v3", "app:v1"}, nil, "docker.io/library/app", "v1")
	f(none, list{"<none>:<none>"}, list{"shop@" + testDigest, "app@" + testDigest}, "docker.io/library/app", "210fe938cd1a")
	f(none, nil, nil, "", "210fe938cd1a")
}

package admin

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"divvy/router/state"
)

// Control is the running program, as far as the API asks and tells it. Its
// methods are called from many goroutines.
type Control interface {
	Status() Status

	// Split, History and Decide return ErrNoService for a service that there
	// is not.
	Split(service string) (Split, error)
	History(service string) ([]state.Entry, error)
	Decide(service string, q Question) (Explanation, error)

	// Edit makes an edit, or says what it would do if dry is set. It blocks
	// until the edit is stored and in force for the next request. Its errors
	// are ErrNoService, those of [state.Document.Edit], and those of the
	// storage.
	Edit(service string, e state.Edit, dry bool) (Edited, error)

	// Audit looks whether what runs of a service is what was built. It may take
	// as long as a request may. It returns ErrNoService, too.
	Audit(ctx context.Context, service string) (Audit, error)

	// Comparisons returns each candidate of a service beside its stable version,
	// as it is now: none if fewer than two versions with weight run. It does not
	// block, and returns ErrNoService, too.
	Comparisons(service string) ([]Comparison, error)

	// Timeline returns what the versions of a service did since a moment. It
	// returns ErrNoService, too.
	Timeline(service string, since time.Time) (Timeline, error)

	// RotateKey makes a new key for cookies; forget drops the others.
	RotateKey(ctx context.Context, forget bool) error
}

// ErrNoService means that there is no service of a name.
var ErrNoService = errors.New("there is no such service")

// Split is who gets what of a service.
type Split struct {
	Service string `json:"service"`

	// Revision is that of the last edit; an edit names it to be refused if
	// there was another meanwhile.
	Revision uint64 `json:"revision"`

	Weights    map[string]int     `json:"weights"`           // none: everything to the version that came first
	Holders    map[string]string  `json:"holders,omitempty"` // the image that has a weight, where others run under its name, too
	RolledBack []state.RolledBack `json:"rolled_back,omitempty"`
	Shares     []Share            `json:"shares"`
}

// Share is what one version gets, or a name of the split that no version runs
// under.
type Share struct {
	Version string  `json:"version"`
	Weight  float64 `json:"weight"`
	Share   float64 `json:"share"` // of all units, now; 0 to 1
	Runs    bool    `json:"runs"`
}

// Edited is what an edit did, or would do.
type Edited struct {
	Revision uint64  `json:"revision"` // of the service, after it
	Changed  bool    `json:"changed"`
	DryRun   bool    `json:"dry_run"`
	Before   []Share `json:"before"`
	After    []Share `json:"after"`

	// RolledBack are the images that get no weight by themselves any more.
	RolledBack []string `json:"rolled_back,omitempty"`
}

// Change is the body of a write.
type Change struct {
	Weights  Weights `json:"weights,omitempty"`
	Version  string  `json:"version,omitempty"`
	Revision *uint64 `json:"revision,omitempty"`
	Absent   bool    `json:"absent,omitempty"`  // versions need not run
	DryRun   bool    `json:"dry_run,omitempty"` // say what it would do, and do nothing
	Who      string  `json:"who,omitempty"`
	Via      string  `json:"via,omitempty"`
	Why      string  `json:"why,omitempty"`
}

// Weights are relative shares by version.
type Weights map[string]int

// UnmarshalJSON refuses null for a weight, which people take for "none" and the
// library for zero.
func (w *Weights) UnmarshalJSON(data []byte) error {
	var all map[string]*int
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	*w = Weights{}
	for version, weight := range all {
		if weight == nil {
			return fmt.Errorf("the weight of %.64s is null: use a number, or drain to take it out of the split", version)
		}
		(*w)[version] = *weight
	}
	return nil
}

// Question is a request that is not sent: which version would answer it?
type Question struct {
	Method  string            `json:"method,omitempty"`  // "" for GET
	Path    string            `json:"path,omitempty"`    // with the query; "" for /
	Host    string            `json:"host,omitempty"`    // "" for none
	Headers map[string]string `json:"headers,omitempty"` // Cookie is one of them
	Client  string            `json:"client,omitempty"`  // an address; "" for none
}

// Explanation says which version would answer, and why.
type Explanation struct {
	Service  string  `json:"service"`
	Version  string  `json:"version,omitempty"` // "" if none can, or if chance decides
	ImageID  string  `json:"image_id,omitempty"`
	Reason   string  `json:"reason"`
	Rule     string  `json:"rule,omitempty"`
	By       string  `json:"by,omitempty"` // what the unit was recognised by
	Sentence string  `json:"sentence"`
	Shares   []Share `json:"shares"`
}

// Rotation is the body that asks for a new key.
type Rotation struct {
	Forget bool `json:"forget,omitempty"`
}

// problem is the body of an answer that says no; Present is the split as it is,
// where an edit was based on another.
type problem struct {
	Error   string `json:"error"`
	Present *Split `json:"present,omitempty"`
}

//go:embed openapi.json
var openAPI []byte

// maxBody bounds the body of a request.
const maxBody = 64 << 10

// routes returns the API: every pattern and its handler. The document says the
// same, and a test compares them.
func (s *Server) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /api/v1/openapi.json": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(openAPI) // whoever hung up needs no answer
		},
		"GET /api/v1/status":                                     s.status,
		"GET /api/v1/services":                                   s.services,
		"GET /api/v1/services/{service}":                         s.service(func(v Service) any { return v }),
		"GET /api/v1/services/{service}/versions":                s.service(func(v Service) any { return v.Versions }),
		"GET /api/v1/services/{service}/backends":                s.service(func(v Service) any { return v.backends() }),
		"GET /api/v1/services/{service}/split":                   s.split,
		"GET /api/v1/services/{service}/history":                 s.history,
		"GET /api/v1/services/{service}/audit":                   s.lookInto,
		"GET /api/v1/services/{service}/comparisons":             s.comparisons,
		"GET /api/v1/services/{service}/timeline":                s.timeline,
		"GET /api/v1/services/{service}/comparisons/{candidate}": s.comparison,
		"POST /api/v1/services/{service}/decide":                 s.decide,
		"PUT /api/v1/services/{service}/split":                   s.edit(state.Replace),
		"PATCH /api/v1/services/{service}/split":                 s.edit(state.Weights),
		"POST /api/v1/services/{service}/promote":                s.edit(state.Promote),
		"POST /api/v1/services/{service}/rollback":               s.edit(state.Rollback),
		"POST /api/v1/services/{service}/adopt":                  s.edit(state.Adopt),
		"POST /api/v1/services/{service}/drain":                  s.edit(state.Drain),
		"POST /api/v1/keys/rotate":                               s.rotate,
		"GET /api/v1/events":                                     s.events,
	}
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.Control.Status()) }

func (s *Server) services(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, s.Control.Status().Services)
}

// service answers with a part of a service.
func (s *Server) service(part func(Service) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, v := range s.Control.Status().Services {
			if v.Name == r.PathValue("service") {
				s.answer(w, part(v))
				return
			}
		}
		s.fail(w, r, ErrNoService)
	}
}

func (s *Server) split(w http.ResponseWriter, r *http.Request) {
	split, err := s.Control.Split(r.PathValue("service"))
	s.answerOr(w, r, split, err)
}

// history answers with the entries, the latest first.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	limit := 0
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			s.fail(w, r, &malformed{fmt.Sprintf("limit: %q is not a number of entries: use 1 or more", text)})
			return
		}
		limit = n
	}
	entries, err := s.Control.History(r.PathValue("service"))
	latest := []state.Entry{}
	for i := len(entries) - 1; i >= 0 && (limit == 0 || len(latest) < limit); i-- {
		latest = append(latest, entries[i])
	}
	s.answerOr(w, r, latest, err)
}

func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	var q Question
	if err := read(w, r, &q); err != nil {
		s.fail(w, r, err)
		return
	}
	e, err := s.Control.Decide(r.PathValue("service"), q)
	s.answerOr(w, r, e, err)
}

// edit makes the handler of a kind of edit.
func (s *Server) edit(kind state.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c Change
		edited, err := Edited{}, read(w, r, &c)
		if err == nil {
			err = c.validate(kind)
		}
		from := callerOf(r)
		if err == nil {
			e := state.Edit{
				Kind: kind, Weights: c.Weights, Version: c.Version, Absent: c.Absent, Revision: c.Revision,
				Who: from.signs(c.Who), Via: cmp.Or(c.Via, "api"), Why: c.Why,
			}
			edited, err = s.Control.Edit(r.PathValue("service"), e, c.DryRun)
		}
		if err != nil {
			edited = Edited{}
		}
		if !c.DryRun {
			s.audit(r, err, "kind", kind, "weights", c.Weights, "version", c.Version, "who", c.Who, "why", c.Why, "revision", edited.Revision)
		}
		s.answerOr(w, r, edited, err)
	}
}

func (s *Server) rotate(w http.ResponseWriter, r *http.Request) {
	var c Rotation
	err := read(w, r, &c)
	if err == nil {
		err = s.Control.RotateKey(r.Context(), c.Forget)
	}
	s.audit(r, err, "kind", "rotate", "forget", c.Forget)
	s.answerOr(w, r, struct{}{}, err)
}

// audit writes what somebody wanted to change into the log, done or refused.
func (s *Server) audit(r *http.Request, err error, what ...any) {
	from := callerOf(r)
	what = append([]any{"service", r.PathValue("service"), "caller", from.Name, "addr", from.Addr}, what...)
	if err != nil {
		s.Log.Warn("audit: refused", append(what, "err", err)...)
		return
	}
	s.Log.Info("audit: done", what...)
}

// maxText bounds what people write about an edit.
const maxText = 500

// validate returns what is wrong with a change of a kind.
func (c *Change) validate(kind state.Kind) error {
	takesWeights := kind == state.Weights || kind == state.Replace
	takesVersion := kind == state.Promote || kind == state.Adopt || kind == state.Drain
	switch {
	case takesWeights && len(c.Weights) == 0:
		return &malformed{`weights: there are none: use {"weights": {"v1": 95, "v2": 5}}`}
	case !takesWeights && c.Weights != nil:
		return &malformed{"weights: they are not expected here"}
	case takesVersion && c.Version == "":
		return &malformed{`version: there is none: use {"version": "v2"}`}
	case !takesVersion && c.Version != "":
		return &malformed{"version: it is not expected here"}
	}
	for _, text := range []struct{ key, value string }{{"who", c.Who}, {"via", c.Via}, {"why", c.Why}} {
		if len(text.value) > maxText || strings.ContainsFunc(text.value, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return &malformed{fmt.Sprintf("%s: use up to %d printable characters", text.key, maxText)}
		}
	}
	return nil
}

// malformed is a request that cannot be understood.
type malformed struct{ text string }

func (e *malformed) Error() string { return e.text }

// read reads the body of a request, which may be empty.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &malformed{"the body is not what is expected: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if d.More() {
		return &malformed{"the body is not what is expected: something follows the object"}
	}
	return nil
}

func (s *Server) answerOr(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, v)
}

func (s *Server) answer(w http.ResponseWriter, v any) { s.send(w, http.StatusOK, v) }

func (s *Server) send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		s.Log.Debug("answering the admin API", "err", err)
	}
}

// fail answers with an error. It alone turns errors into statuses.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusServiceUnavailable // the storage failed
	p := problem{Error: err.Error()}
	var stale *state.StaleError
	var invalid *state.InvalidError
	var bad *malformed
	var none *NoCandidate
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, ErrNoService):
		status = http.StatusNotFound
		p.Error = fmt.Sprintf("service %s: %v", r.PathValue("service"), err)
	case errors.As(err, &none):
		status = http.StatusNotFound
	case errors.As(err, &stale):
		status = http.StatusConflict
		if now, err := s.Control.Split(r.PathValue("service")); err == nil {
			p.Present = &now
		}
	case errors.As(err, &invalid):
		status = http.StatusUnprocessableEntity
	case errors.As(err, &bad):
		status = http.StatusBadRequest
	case errors.As(err, &large):
		status = http.StatusRequestEntityTooLarge
		p.Error = fmt.Sprintf("the body is larger than %d bytes", maxBody)
	}
	s.send(w, status, p)
}

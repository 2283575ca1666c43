package compare

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
)

// recordFormat is the version of the form in which records are stored.
const recordFormat = 1

// record is what is remembered of a comparison: as a recorder has stored it, or of
// several together.
type record struct {
	Format    int           `json:"format"`
	Service   string        `json:"service"`
	Stable    stats.Version `json:"stable"`
	Candidate stats.Version `json:"candidate"`
	Counts    string        `json:"counts"`
	Since     time.Time     `json:"since"`
	Saved     time.Time     `json:"saved"`
	Splits    []split       `json:"splits"`
	Verdict   admin.Verdict `json:"verdict"`
	Over      bool          `json:"over,omitempty"` // another version is stable now
	Ledger    []byte        `json:"ledger"`

	ledger *stats.Ledger // what Ledger says
}

// id returns which comparison it is of.
func (r *record) id() id {
	return id{stats.Key{Service: r.Service, Stable: r.Stable, Candidate: r.Candidate}, r.Counts}
}

// record returns what is to be remembered of a comparison.
func (p *pair) record(now time.Time) *record {
	return &record{
		Format: recordFormat, Service: p.id.Service, Stable: p.id.Stable, Candidate: p.id.Candidate, Counts: p.id.counts,
		Since: p.since, Saved: now.UTC(), Splits: slices.Clone(p.splits), Verdict: p.verdict, Over: p.over, ledger: p.ledger(),
	}
}

// encode returns a record as it is stored.
func (r *record) encode() ([]byte, error) {
	var err error
	if r.Ledger, err = r.ledger.MarshalBinary(); err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// decodeRecord reads a record.
func decodeRecord(data []byte) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	if r.Format != recordFormat {
		return nil, fmt.Errorf("its format is %d, and this divvy knows %d", r.Format, recordFormat)
	}
	r.ledger = stats.NewLedger(r.id().Key)
	if err := r.ledger.UnmarshalBinary(r.Ledger); err != nil {
		return nil, err
	}
	if r.ledger.Key != r.id().Key {
		return nil, fmt.Errorf("it is damaged: it is of %s, and its counts are of %s", r.Service, r.ledger.Key.Service)
	}
	r.Ledger = nil
	return r, nil
}

// merge takes over what another record of the same comparison knows better.
func (r *record) merge(o *record) {
	if o.Since.Before(r.Since) {
		r.Since = o.Since
	}
	if o.Saved.After(r.Saved) {
		r.Saved, r.Splits, r.Verdict, r.Over = o.Saved, o.Splits, o.Verdict, o.Over
	}
	for origin, s := range o.ledger.Entries {
		r.ledger.Put(origin, s)
	}
	trim(r.ledger)
}

// maxOrigins bounds how many recorders' counts a comparison keeps apart.
const maxOrigins = 32

// trim forgets those who counted least, if there are too many. That loses counts of
// both versions alike.
func trim(l *stats.Ledger) {
	for len(l.Entries) > maxOrigins {
		var least stats.Origin
		fewest := ^uint64(0)
		for o, s := range l.Entries {
			units := s.Units()
			if n := units[stats.Stable] + units[stats.Candidate]; n < fewest || n == fewest && o.Boot < least.Boot {
				least, fewest = o, n
			}
		}
		delete(l.Entries, least)
	}
}

// counted returns a number that becomes another with whatever is counted.
func counted(s *stats.Sums) (n uint64) {
	n = s.Lost
	for _, pair := range s.Strata {
		for side := range pair {
			n += pair[side].Count() + pair[side].Errors
		}
	}
	for _, scope := range s.Scopes {
		for _, pair := range scope.Tallies {
			for side := range pair {
				for _, count := range pair[side] {
					n += count
				}
			}
		}
	}
	return n
}

package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/router/state"
)

// Data is what a report is made of.
type Data struct {
	Now   time.Time
	Divvy string        // the version of the divvy that was asked
	Back  time.Duration // how far the charts go back; 0: as far as makes sense

	Service     admin.Service
	Split       admin.Split
	Comparisons []admin.Comparison
	Timeline    admin.Timeline // all that is known
	Windows     []Window       // the shortest first
	History     []state.Entry  // the latest first
	Problems    []string       // sentences, of this service
}

// Window is what the versions did as a whole since a moment.
type Window struct {
	Title    string
	Timeline admin.Timeline
}

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

// mostBytes bounds a page: what is larger, some trackers of tickets refuse.
const mostBytes = 1_000_000

// Write writes the page. Where it would be too large it leaves out the oldest edits,
// and then the tables over time.
func Write(w io.Writer, d *Data) error {
	t, err := template.New("page").Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(styleText) }}).Parse(pageText)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for p := newPage(d); ; p.shorten() {
		out.Reset()
		if err := t.Execute(&out, p); err != nil {
			return err
		}
		if out.Len() <= mostBytes || len(p.History) == 0 && len(p.Series) == 0 {
			break
		}
	}
	_, err = out.WriteTo(w)
	return err
}

// shorten leaves out some of what there is most of.
func (p *page) shorten() {
	n := len(p.History)
	if p.History = p.History[:n/2]; n == 0 {
		p.Series = nil
	}
	p.Older += n - len(p.History)
}

// page is what the template shows. All of it is text, or numbers for drawings.
type page struct {
	Title       string
	Facts       []fact
	Verdicts    []headline
	Uncompared  string // why nothing is compared, if so
	Comparisons []comparison
	Footnote    string

	Span      string // which time the charts show
	Cast      []member
	Undrawn   []string // versions that there is no room for
	Charts    []chart
	Intervals []quantiles
	Problems  []string

	Versions   []version
	RolledBack []rolledBack
	History    []edit
	Older      int // edits that are left out
	Series     []series
}

func newPage(d *Data) *page {
	s := spanOf(d)
	c := newCast(d, s)
	p := &page{
		Title: d.Service.Name + ": release report", Facts: factsOf(d), Problems: d.Problems,
		Span: s.text(), Cast: c.members, Undrawn: c.undrawn,
		Charts: chartsOf(d, s, c), Intervals: quantilesOf(d, c),
		Versions: versionsOf(d, c), RolledBack: rolledBackOf(d), History: historyOf(d), Series: seriesOf(s, c),
	}
	p.compare(d, c)
	return p
}

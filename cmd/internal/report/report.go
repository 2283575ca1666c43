package report

import (
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
	Timeline    admin.Timeline
	History     []state.Entry // the latest first
	Problems    []string      // sentences, of this service
}

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

// Write writes the page.
func Write(w io.Writer, d *Data) error {
	t, err := template.New("page").Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(styleText) }}).Parse(pageText)
	if err != nil {
		return err
	}
	return t.Execute(w, newPage(d))
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

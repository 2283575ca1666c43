package report

// quantiles is what each version did in a time.
type quantiles struct {
	Title string
	Rows  []quantileRow
}

type quantileRow struct{ Class, Name, Requests, Failures, Canceled, P50, P95, P99 string }

// quantilesOf returns a table for each window, without those that have nothing else
// than a shorter one.
func quantilesOf(d *Data, c *cast) (all []quantiles) {
	var known uint64
	for _, w := range d.Windows {
		table, requests := quantiles{Title: w.Title}, uint64(0)
		for _, m := range c.members {
			for _, v := range w.Timeline.Versions {
				x := v.Whole
				if v.Version != m.Name || x.Requests == 0 {
					continue
				}
				requests += x.Requests
				table.Rows = append(table.Rows, quantileRow{
					m.Class, m.Name, whole(float64(x.Requests)), rate(x.Failures, x.Requests), rate(x.Canceled, x.Requests),
					latency(x.P50), latency(x.P95), latency(x.P99),
				})
			}
		}
		if requests > known {
			all, known = append(all, table), requests
		}
	}
	return all
}

// series is what a version did over time, as a table.
type series struct {
	Class, Name string
	Rows        []seriesRow
}

type seriesRow struct {
	Time, Requests, PerSecond, Failures, Canceled string
	P50, P95, P99, Weight, Set, Seen              string
}

// mostRows is about how many rows a table over time has.
const mostRows = 24

func seriesOf(s span, c *cast) (all []series) {
	step := s.step(mostRows)
	parts := partsOf(c, step)
	for _, m := range c.members {
		out := series{Class: m.Class, Name: m.Name}
		for _, x := range sums(m.points, step) {
			seen := nothing
			if part, ok := parts[m.Name][x.start]; ok {
				seen = percent(part)
			}
			out.Rows = append(out.Rows, seriesRow{
				x.start.UTC().Format("2006-01-02 15:04"), whole(float64(x.Requests)), digits(float64(x.Requests)/x.end.Sub(x.start).Seconds(), 3),
				rate(x.Failures, x.Requests), rate(x.Canceled, x.Requests),
				latency(x.P50), latency(x.P95), latency(x.P99), digits(x.Weight, 10), percent(x.Share), seen,
			})
		}
		if len(out.Rows) > 0 {
			all = append(all, out)
		}
	}
	return all
}

// Package report makes a page of what became of the versions of a service, to be
// attached to the ticket of a release.
//
// The page is one file that needs nothing else: no script, no font, no picture from
// elsewhere, and less than a megabyte however much there is to tell. [Write] is a
// function of what the admin API answers, which [Data] holds, and of nothing else:
//
//	Data ─┬─ span.go        which time is shown
//	      ├─ cast.go        which versions are drawn, each in a colour and a dash of its own
//	      ├─ chart.go       lines over time ── axis.go  where the ticks are
//	      ├─ interval.go    the ratios of a comparison with their ranges
//	      ├─ comparison.go  verdicts, sentences and numbers
//	      └─ facts.go       images, the history, tables  ──> page.html
//
// The template escapes whatever it is given; nothing here is marked as safe.
package report

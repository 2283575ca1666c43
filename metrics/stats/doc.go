// Package stats compares two versions of a service by what they did: sketches
// in constant memory, tests that may be looked at at any time, verdicts with
// their numbers in words.
//
// # The one idea
//
// A proxy knows something that nobody else does: the probability with which it
// sent each request to each version. Given that a request failed, and if the
// versions are equal, it was the candidate's with exactly that probability,
// whatever the error rate is and however it drifts. So the events are all that
// is needed, two integers for each pair of weights that was in force, and the
// only unknown is the ratio R of the two probabilities. To bet against R = 1,
// event by event, is a game that cannot be won by chance more than once in 100
// times 100-fold, no matter when one stops (an e-process). Errors, slow
// requests, conversions and the split itself are all judged by this.
//
// # How a request becomes a verdict
//
// When a table is built, long before:
//
//	r := stats.NewRecorder(key, byUnit, past)  // one for each candidate: images, not names
//	split := r.Split(95, 5)                    // a stratum for these weights
//
// When a request is assigned, and when it ends, in its goroutine:
//
//	split.Arrive(stats.Candidate, &sample)     // its unit
//	split.Record(stats.Candidate, &sample)     // the rest: some tens of ns together
//
// Every few seconds:
//
//	ledger.Put(origin, r.Sums())               // what this proxy has counted
//	ledger.MarshalBinary()                     // to the storage, and to the others
//	ledger.Merge(theirs)                       // in any order, late, twice
//	report := judge.Examine(ledger.Total())    // pure: the same everywhere
//	report.Decide(stage, patience)             // what a rollout does next
//	report.Sentences(names)                    // what a person reads
//
// Every quarter of an hour, and when weights change, [Recorder.Restart].
//
// # Words
//
// A stratum is the weights in force and what was called slow. Requests are
// compared within strata only, so that neither a ramp nor a drift can look like
// a difference. A unit counts once in a scope for each thing that it does; a
// scope is the whole rollout or what came since a restart. An event is a unit
// that did something for the first time.
//
// # What is exact and what is not
//
// The odds test is exact for any number of events if assignment is random and
// units count once. Means ([CompareMeans]) are right for large numbers only.
// Rates of one version by itself ([RateInterval]) take requests for
// independent, and are for showing. A ratio that changes is averaged. A
// candidate that slows what both share is not seen: watch stable against its
// own past.
//
// # Files
//
// Comparing, without state and without a clock:
//
//	likelihood.go  how likely the events are, given the ratio
//	mixture.go     the bet: that likelihood, averaged over all ratios
//	odds.go        the odds test: e-value, p-value, interval
//	root.go        finding zeros and ends
//	shift.go       the ratio of two quantiles, by shifting histograms
//	mean.go        the difference of two means
//	shares.go      shares of any number of versions
//	rate.go        the rate of one version by itself
//	standard.go    rates of two versions over the same traffic mix
//	burst.go       what comes in bursts counts less
//	scopes.go      how much each restart may add to the false alarms
//	forecast.go    how many events it takes
//
// Judging:
//
//	judge.go       what is compared, and the report
//	compare.go     how each metric is compared
//	finding.go     one metric with all its numbers
//	split.go       whether the split is the one that was set
//	margin.go      how much worse is tolerated
//	word.go        better, worse, too early to tell
//	decision.go    what a rollout does next
//	sentence.go    what a person reads; numbers.go, interval.go: how it is written
//	row.go         the same as a row of a table; remarks.go: what else to know
//
// Counting:
//
//	recorder.go    the counters of two versions
//	record.go      what a request adds to them
//	scope.go       units since some moment; filter.go: which of them were seen
//	stripe.go      counters that processors do not fight for
//	stratum.go     who is compared, and under which circumstances
//	tally.go       what is counted of units
//	schema5.go     the buckets of latencies; histogram.go: counts of them
//	sums.go        what was counted, ready to add up
//	ledger.go      what each proxy has counted
//	codec.go       how a ledger is stored; encode.go, decode.go
//
// testdata/vectors.json has reference results, computed in two other ways; each
// must come out the same to nine digits.
//
// The package imports nothing else of divvy.
package stats

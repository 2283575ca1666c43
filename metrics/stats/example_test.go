package stats_test

import (
	"fmt"
	"time"

	"divvy/metrics/stats"
)

func Example() {
	key := stats.Key{
		Service:   "shop",
		Stable:    stats.Version{Image: "sha256:53bff422", Fingerprint: "a1"},
		Candidate: stats.Version{Image: "sha256:210fe938", Fingerprint: "a1"},
	}
	recorder := stats.NewRecorder(key, false, nil)

	split := recorder.Split(95, 5)
	serve := func(side stats.Side, requests, failed int) {
		for i := range requests {
			x := stats.Sample{Latency: 40 * time.Millisecond, Failed: i < failed}
			split.Arrive(side, &x)
			split.Record(side, &x)
		}
	}
	serve(stats.Stable, 190_000, 209)
	serve(stats.Candidate, 10_000, 42)

	ledger := stats.NewLedger(key)
	ledger.Put(stats.Origin{Proxy: "proxy-1", Boot: "7f3a"}, recorder.Sums())
	report := stats.DefaultJudge().Examine(ledger.Total())
	decision := report.Decide(stats.Stage{Next: 0.25, InStep: 5 * time.Minute}, stats.DefaultPatience())

	fmt.Println(report.Finding("errors").Sentence(stats.Names{Candidate: "v2", Stable: "v1"}))
	fmt.Println(decision.Sentence())
	// Output:
	// v2 is WORSE on errors: 0.42 % of requests failed, v1 0.11 % over the same traffic mix: +0.31 points (99 % sure: +0.099 to +0.66; 1.9 to 7.0 times v1). Allowed: 1.9 times.
	// → rolling back: worse on errors
}

package stats

import (
	"encoding/json"
	"math"
)

// Interval is an estimate and the range that the truth is in. An end may be
// infinite, and the estimate is NaN if there is none.
type Interval struct{ Lower, Estimate, Upper float64 }

// inverse returns the interval of 1/x.
func (i Interval) inverse() Interval {
	return Interval{1 / i.Upper, 1 / i.Estimate, 1 / i.Lower}
}

// MarshalJSON implements [json.Marshaler]. JSON knows no infinity: what is not
// finite is null.
func (i Interval) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Lower    *float64 `json:"lower"`
		Estimate *float64 `json:"estimate"`
		Upper    *float64 `json:"upper"`
	}{finite(i.Lower), finite(i.Estimate), finite(i.Upper)})
}

// UnmarshalJSON implements [json.Unmarshaler]. What is null has no bound: an end
// is infinite, and the estimate is NaN.
func (i *Interval) UnmarshalJSON(data []byte) error {
	var read struct {
		Lower    *float64 `json:"lower"`
		Estimate *float64 `json:"estimate"`
		Upper    *float64 `json:"upper"`
	}
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*i = Interval{or(read.Lower, math.Inf(-1)), or(read.Estimate, math.NaN()), or(read.Upper, math.Inf(1))}
	return nil
}

func finite(x float64) *float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	return &x
}

// Number is a float64 that is null in JSON if it is not finite.
type Number float64

// MarshalJSON implements [json.Marshaler].
func (n Number) MarshalJSON() ([]byte, error) { return json.Marshal(finite(float64(n))) }

// UnmarshalJSON implements [json.Unmarshaler]. Null is NaN.
func (n *Number) UnmarshalJSON(data []byte) error {
	var read *float64
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*n = Number(or(read, math.NaN()))
	return nil
}

func or(x *float64, otherwise float64) float64 {
	if x == nil {
		return otherwise
	}
	return *x
}

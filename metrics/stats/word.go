package stats

// Word is the verdict on one metric in one word. The values of its text are
// labels of metrics and part of the API.
type Word string

// The words, from what speaks against a candidate to what speaks for it.
const (
	Worse         Word = "worse"                           // certainly worse, and by more than is tolerated
	WorseUnclear  Word = "worse_size_unclear"              // certainly worse, perhaps by more than is tolerated
	SlightlyWorse Word = "slightly_worse_within_tolerance" // certainly worse, certainly within what is tolerated
	Undecided     Word = "undecided"                       // too early to tell
	NoWorse       Word = "no_worse"                        // certainly within what is tolerated
	Better        Word = "better"                          // certainly better
)

// Words returns all words, for whoever exports one series for each.
func Words() []Word {
	return []Word{Worse, WorseUnclear, SlightlyWorse, Undecided, NoWorse, Better}
}

// classify finds the word for a ratio of which more is worse.
func classify(ratio Interval, tolerated float64) Word {
	worse := ratio.Lower > 1
	switch {
	case worse && ratio.Estimate >= tolerated:
		return Worse
	case ratio.Upper < 1:
		return Better
	case worse && ratio.Upper < tolerated:
		return SlightlyWorse
	case ratio.Upper < tolerated:
		return NoWorse
	case worse:
		return WorseUnclear
	default:
		return Undecided
	}
}

// allows reports whether a candidate of which w was said, and whose ratio is
// at most upper, may be given a weight at which tolerated is the limit.
func (w Word) allows(upper, tolerated float64) bool {
	return w != Worse && upper <= tolerated
}

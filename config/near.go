package config

import "strings"

// nearest gives the word most like wrong, or "" when none is like it: as many as
// one letter in three may be wrong, missing, too many or swapped with its
// neighbour. Case, "_" and "-" make no difference.
func nearest(wrong string, words []string) string {
	best, least := "", 1<<30
	plain := plainWord(wrong)
	for _, w := range words {
		limit := max(1, max(len(wrong), len(w))/3)
		if abs(len(wrong)-len(w)) > limit {
			continue
		}
		if d := distance(plain, plainWord(w)); d <= limit && d < least {
			best, least = w, d
		}
	}
	return best
}

func plainWord(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "_", "-")
}

// distance counts the edits between a and b (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 1 << 20 // no key or name is that long
	}
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

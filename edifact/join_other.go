//go:build !amd64 || purego

package edifact

func haveJoin() bool { return false }

func joinKernel(*byte, int, []Element, *joinTable) int { return -1 }

//go:build !amd64 || purego

package edifact

func bestJoin() kernel { return inGo }

func joinKernel(*byte, int, []Element, *joinTable) int { panic(inGo) }

func joinShort(*byte, []Element, *joinTable) int { panic(inGo) }

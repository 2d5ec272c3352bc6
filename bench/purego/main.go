// Command purego prints how many seconds the reader takes for the file of
// bench in the best of several passes. Built with the tag purego it does so
// without the assembly kernel.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"gateway301/bench"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: purego SIZE PASSES")
		os.Exit(2)
	}
	size, sizeErr := strconv.Atoi(os.Args[1])
	passes, passesErr := strconv.Atoi(os.Args[2])
	if sizeErr != nil || passesErr != nil {
		fmt.Fprintln(os.Stderr, "usage: purego SIZE PASSES")
		os.Exit(2)
	}
	data := bench.File(size)
	best := time.Duration(0)
	for i := range passes {
		start := time.Now()
		if _, err := bench.Read(data); err != nil {
			fmt.Fprintln(os.Stderr, "purego:", err)
			os.Exit(1)
		}
		if took := time.Since(start); i == 0 || took < best {
			best = took
		}
	}
	fmt.Println(best.Seconds())
}

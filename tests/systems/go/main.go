// Words counts the words of its input.
package main

import (
	"fmt"
	"os"
	"runtime"

	"example.org/words/count"
)

func main() {
	counts, err := count.Words(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
	fmt.Println(runtime.GOARCH, counts)
}

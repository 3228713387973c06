// Package count counts words.
package count

import (
	"bufio"
	"io"
	"sync"

	"github.com/pkg/errors"
)

// ErrEmpty is the cause when there is nothing to count.
var ErrEmpty = errors.New("no words")

// Words gives how often each word occurs in the readers, which are read at the same time.
func Words(readers ...io.Reader) (map[string]int, error) {
	all := make(chan string)
	failed := make(chan error, len(readers))
	var wait sync.WaitGroup
	for i, r := range readers {
		wait.Add(1)
		go func(i int, r io.Reader) {
			defer wait.Done()
			words := bufio.NewScanner(r)
			words.Split(bufio.ScanWords)
			for words.Scan() {
				all <- words.Text()
			}
			if err := words.Err(); err != nil {
				failed <- errors.Wrapf(err, "reader %d", i)
			}
		}(i, r)
	}
	go func() { wait.Wait(); close(all) }()
	counts := map[string]int{}
	for w := range all {
		counts[w]++
	}
	select {
	case err := <-failed:
		return nil, err
	default:
	}
	if len(counts) == 0 {
		return nil, errors.WithMessage(ErrEmpty, "count")
	}
	return counts, nil
}

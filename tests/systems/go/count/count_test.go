package count

import (
	"io"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pkg/errors"
)

func TestManyReaders(t *testing.T) {
	const n = 50
	readers := make([]io.Reader, n)
	for i := range readers {
		readers[i] = strings.NewReader(strings.Repeat("a b a ", 100))
	}
	got, err := Words(readers...)
	if err != nil || got["a"] != 200*n || got["b"] != 100*n {
		t.Fatal(got, err)
	}
}

func TestCauses(t *testing.T) {
	if _, err := Words(); errors.Cause(err) != ErrEmpty || err.Error() != "count: no words" {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	_, err := Words(strings.NewReader("a"), iotest.ErrReader(broken))
	if errors.Cause(err) != broken || err.Error() != "reader 1: broken" {
		t.Fatal(err)
	}
}

func TestPanicIsCaught(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(error).Error(), "nil pointer") {
			t.Fatal(r)
		}
	}()
	var nothing *strings.Builder
	nothing.WriteString("x")
}

func TestChildren(t *testing.T) {
	t.Parallel()
	for i := 0; i < 4; i++ {
		t.Run("child", func(t *testing.T) {
			t.Parallel()
			out, err := exec.Command("sh", "-c", "echo one two two; exit 3").Output()
			var status *exec.ExitError
			if !errors.As(err, &status) || status.ExitCode() != 3 {
				t.Fatal(err)
			}
			if got, err := Words(strings.NewReader(string(out))); err != nil || got["two"] != 2 {
				t.Fatal(got, err)
			}
		})
	}
}

func BenchmarkWords(b *testing.B) {
	text := strings.Repeat("some words ", 100)
	for i := 0; i < b.N; i++ {
		if _, err := Words(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}

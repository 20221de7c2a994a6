package engine

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(stockVictim) != "" {
		runStockVictim()
		return
	}
	goleak.VerifyTestMain(m)
}
